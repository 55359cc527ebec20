import { removedLog } from "../removed-logs.ts";
import type { BuildView, JobView, LostAttemptView } from "../views.ts";
import { html, said, type Html } from "./html.ts";

/** `attempt 2 on worker-1`, and why: `attempt 1 was handed back: its worker was stopped  log`. */
export function attemptOf(build: BuildView, job: JobView): Html {
  const lost = (job.lostAttempts ?? []).map((one) => lostAttempt(build, job, one));
  if (job.attempt < 2) return html`${lost}`;
  const where = job.worker === null ? null : html` on ${said(job.worker)}`;
  return html`<span class="faint">attempt ${job.attempt}${where}</span>${lost}`;
}

function lostAttempt(
  build: BuildView,
  job: JobView,
  { attempt, isHandedBack, reason, steps }: LostAttemptView,
): Html {
  const query = new URLSearchParams({ job: job.id, attempt: String(attempt) }).toString();
  const href = `/api/builds/${encodeURIComponent(build.id)}/log?${query}`;
  const hasLog = steps.length > 0 && removedLog(build) === undefined;
  return html` <span class="faint"
    >attempt ${attempt} was ${isHandedBack ? "handed back" : "lost"}:
    ${said(reason)}${hasLog ? html` <a href="${href}">log</a>` : null}</span
  >`;
}
