import { isFinal } from "../../domain/states.ts";
import type { StepDetails } from "../../shared/build-messages.ts";
import { duration } from "../assets/times.ts";
import type { BuildView, JobView, StepView } from "../views.ts";
import { exact, memory } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import { stepPath } from "./step-path.ts";

/** What is worth knowing of a step beside its state: a line of facts, services' logs, warnings. */
export function stepDetails(build: BuildView, job: JobView, step: StepView): Html {
  const { details } = step;
  if (details === null) return html``;
  const facts = factsOf(step, details);
  return html`${facts.length === 0 ? null : html`<span class="note">${said(facts.join(" · "))}</span>`}
  ${details.services.length === 0 ? null : serviceLogs(build, job, step, details.services)}
  ${details.shellUntil === null ? null : shellLine(build, step, details.shellUntil)}
  ${shellsLine(build, job, step)}
  ${details.warnings.map((warning) => html`<span class="note warn">${said(warning)}</span>`)}`;
}

/** Until when the container of a failed step can be entered, and how. */
function shellLine({ repo, number }: BuildView, step: StepView, until: number): Html {
  return html`<span class="note"
    >kept until ${exact(until)}:
    <code>tatara shell ${said(`${repo}/${number} ${step.name}`)}</code></span
  >`;
}

/** `2 shells: admin 4 s, admin 12 s`; nothing where nobody was inside. */
function shellsLine({ shells = [] }: BuildView, job: JobView, step: StepView): Html {
  const inside = shells.filter(({ jobId, step: name }) => jobId === job.id && name === step.name);
  if (inside.length === 0) return html``;
  const each = inside.map(({ by, startedAt, endedAt }) => {
    return `${by} ${endedAt === null ? "is inside" : duration(endedAt - startedAt)}`;
  });
  const count = inside.length === 1 ? "1 shell" : `${inside.length} shells`;
  return html`<span class="note">${count}: ${said(each.join(", "))}</span>`;
}

function factsOf({ state }: StepView, details: StepDetails): readonly string[] {
  const { exitCode, memoryPeakBytes, memoryLimitBytes, reuse, isAllowed } = details;
  const peak = memoryPeakBytes === null ? null : memory(memoryPeakBytes);
  const limit = memoryLimitBytes === null ? "" : ` of ${memory(memoryLimitBytes)}`;
  return [
    // Nobody asks for the status of what went well.
    ...(exitCode === null || exitCode === 0 ? [] : [`exit status ${exitCode}`]),
    ...(isAllowed && state === "failed" ? ["allowed to fail"] : []),
    ...(peak === null ? [] : [`memory ${peak}${limit}`]),
    ...reuse.map(reuseText),
  ];
}

function reuseText({ what, savedMs }: StepDetails["reuse"][number]): string {
  return savedMs === null || savedMs === 0 ? what : `${what}, saved about ${duration(savedMs)}`;
}

function serviceLogs(
  build: BuildView,
  job: JobView,
  step: StepView,
  services: readonly string[],
): Html {
  return html`<span class="note"
    >logs of
    ${services.map((service, index) => html`${index === 0 ? null : ", "}<a href="${serviceLogPath(build, job, step, service)}">${said(`${step.name}/${service}`)}</a>`)}</span
  >`;
}

/** The service's whole log as text: it is read beside the step's, not instead of it. */
function serviceLogPath(build: BuildView, job: JobView, step: StepView, service: string): string {
  const query = new URLSearchParams({ job: job.id, step: `${step.name}~${service}` }).toString();
  return `/api/builds/${encodeURIComponent(build.id)}/log?${query}`;
}

/** `reused 3 things of earlier builds, saved about 38 s`; nothing while nothing is known. */
export function reuseLine(build: BuildView): Html {
  if (build.isFresh) {
    return html`<p class="reuse">Built fresh: nothing of earlier builds was used.</p>`;
  }
  const reuse = build.jobs.flatMap(({ steps }) =>
    steps.flatMap(({ state, details }) => (isFinal(state) ? (details?.reuse ?? []) : [])),
  );
  if (reuse.length === 0) return html``;
  const savedMs = reuse.reduce((sum, one) => sum + (one.savedMs ?? 0), 0);
  const names = [...new Set(reuse.map(({ what }) => what))];
  const shown = names.slice(0, REUSE_SHOWN_MAX).join(", ");
  const more = names.length > REUSE_SHOWN_MAX ? `, ${names.length - REUSE_SHOWN_MAX} more` : "";
  return html`<p class="reuse">
    Reused ${said(shown)}${more}${savedMs === 0 ? null : html`; saved about ${duration(savedMs)}`}
  </p>`;
}

const REUSE_SHOWN_MAX = 4;

/** Steps that failed and were allowed to, which a passed build must say. */
export function allowedFailures(build: BuildView): Html {
  const allowed = build.jobs.flatMap((job) =>
    job.steps
      .filter(({ state, details }) => state === "failed" && details?.isAllowed === true)
      .map((step) => ({ job, step })),
  );
  if (allowed.length === 0) return html``;
  return html`<p class="notice">
    Failed, and allowed to:
    ${allowed.map(({ job, step }, index) => html`${index === 0 ? null : ", "}<a href="${stepPath(build, job, step)}">${said(step.title)}</a>`)}
  </p>`;
}
