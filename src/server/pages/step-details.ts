import { isFinal } from "../../domain/states.ts";
import type { StepDetails } from "../../shared/build-messages.ts";
import { duration } from "../assets/times.ts";
import type { BuildView, JobView, StepView } from "../views.ts";
import { exact, memory, plural } from "./format.ts";
import { html, said, type Html } from "./html.ts";
import { stepPath } from "./step-path.ts";
import { testBadge } from "./test-badge.ts";

type Reuse = StepDetails["reuse"][number];

/** What is worth knowing of a step beside its state, on one line that wraps; warnings below it. */
export function stepNotes(build: BuildView, job: JobView, step: StepView): Html {
  const { details } = step;
  const told = step.failure?.message ?? step.note;
  const facts = [told, ...(details === null ? [] : factsOf(step, details))];
  const badge = testBadge(build, { jobId: job.id, step: step.name });
  const notes = [
    ...facts.flatMap((fact) =>
      fact === null ? [] : [html`<span class="note">${said(fact)}</span>`],
    ),
    ...(badge.markup === "" ? [] : [badge]),
    ...(details === null ? [] : detailNotes(build, job, step, details)),
  ];
  return notes.length === 0 ? html`` : html`<span class="notes">${notes}</span>`;
}

function detailNotes(
  build: BuildView,
  job: JobView,
  step: StepView,
  { services, shellUntil, warnings }: StepDetails,
): readonly Html[] {
  return [
    ...(services.length === 0 ? [] : [serviceLogs(build, job, step, services)]),
    ...(shellUntil === null ? [] : [shellLine(build, step, shellUntil)]),
    ...shellsLine(build, job, step),
    ...warnings.map((warning) => html`<span class="note warn">${said(warning)}</span>`),
  ];
}

/** Until when the container of a failed step can be entered, and how. */
function shellLine({ repo, number }: BuildView, step: StepView, until: number): Html {
  return html`<span class="note"
    >kept until ${exact(until)}:
    <code>tatara shell ${said(`${repo}/${number} ${step.name}`)}</code></span
  >`;
}

/** `2 shells: admin 4 s, admin 12 s`; nothing where nobody was inside. */
function shellsLine({ shells = [] }: BuildView, job: JobView, step: StepView): readonly Html[] {
  const inside = shells.filter(({ jobId, step: name }) => jobId === job.id && name === step.name);
  if (inside.length === 0) return [];
  const each = inside.map(({ by, startedAt, endedAt }) => {
    return `${by} ${endedAt === null ? "is inside" : duration(endedAt - startedAt)}`;
  });
  const count = plural(inside.length, "shell");
  return [html`<span class="note">${count}: ${said(each.join(", "))}</span>`];
}

function factsOf({ state, note, failure }: StepView, details: StepDetails): readonly string[] {
  const { exitCode, memoryPeakBytes, memoryLimitBytes, reuse, isAllowed } = details;
  const peak = memoryPeakBytes === null ? null : memory(memoryPeakBytes);
  const limit = memoryLimitBytes === null ? "" : ` of ${memory(memoryLimitBytes)}`;
  return [
    // Nobody asks for the status of what went well, or twice.
    ...(exitCode === null || state === "passed" || tellsStatus(failure, exitCode)
      ? []
      : [`exit status ${exitCode}`]),
    ...(isAllowed && state === "failed" ? ["allowed to fail"] : []),
    ...(peak === null ? [] : [`memory ${peak}${limit}`]),
    ...reuse.flatMap((one) => reuseText(one, note)),
  ];
}

/** `pytest exited 1`, `The command ended with exit status 1.` */
function tellsStatus(failure: StepView["failure"], exitCode: number): boolean {
  return failure !== null && new RegExp(`\\bexit.*\\b${exitCode}\\b`).test(failure.message);
}

function reuseText(one: Reuse, note: string | null): readonly string[] {
  const saved = one.savedMs ? `saved about ${duration(one.savedMs)}` : undefined;
  // The note of an image counts its layers already.
  const what = isOfLayers(one) && note !== null ? undefined : one.what;
  const text = [what, saved].filter((part) => part !== undefined).join(", ");
  return text === "" ? [] : [text];
}

/** Of an image's layers; all others are caches of directories. */
function isOfLayers({ what }: Reuse): boolean {
  return what.startsWith("layers ");
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

/** `Reused image layers and 2 caches, saved about 38s`; which ones, their steps say. */
export function reuseLine(build: BuildView): Html {
  if (build.isFresh) {
    return html`<p class="reuse">Built fresh: nothing of earlier builds was used.</p>`;
  }
  const reuse = build.jobs.flatMap(({ steps }) =>
    steps.flatMap(({ state, details }) => (isFinal(state) ? (details?.reuse ?? []) : [])),
  );
  if (reuse.length === 0) return html``;
  const savedMs = reuse.reduce((sum, one) => sum + (one.savedMs ?? 0), 0);
  const caches = reuse.filter((one) => !isOfLayers(one)).length;
  const parts = [
    ...(caches < reuse.length ? ["image layers"] : []),
    ...(caches > 0 ? [plural(caches, "cache")] : []),
  ];
  return html`<p class="reuse">
    Reused ${parts.join(" and ")}${savedMs === 0 ? null : html`, saved about ${duration(savedMs)}`}
  </p>`;
}

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
