import { isFinal } from "../../domain/states.ts";
import type { BuildView, JobView, PublishView, StepView } from "../views.ts";
import { attemptOf } from "./attempts.ts";
import { elapsed } from "./format.ts";
import { duration } from "../assets/times.ts";
import { html, said, type Html } from "./html.ts";
import { stateWord } from "./icons.ts";
import { channelPath, generationPath } from "./parts.ts";
import { stepNotes } from "./step-details.ts";
import { stepPath, type ChosenStep } from "./step-path.ts";

/** The time that all bars share, so that their order can be seen. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** Every job with its steps, times and bars, and the publish line under them. */
export function jobsSection(build: BuildView, now: number, chosen: ChosenStep | undefined): Html {
  const span = spanOf(build, now);
  const isPlain = build.jobs.length === 1 && build.jobs[0]?.steps.length === 0;
  // One job without steps says nothing that the top of the page does not say.
  if (isPlain && build.publish === null) return html``;
  const isAgain = ({ attempt, lostAttempts = [] }: JobView): boolean =>
    attempt > 1 || lostAttempts.length > 0;
  const showsTarget = build.jobs.length > 1 || build.jobs.some(isAgain);
  const ran = build.jobs.filter((job) => !isLeftOut(job));
  // Alone, the reason stands at the top of the page.
  const left = build.jobs.length > 1 ? build.jobs.filter(isLeftOut) : [];
  const show = { span, now, showsTarget, chosen };
  const verify = ran.filter(({ kind }) => kind === "verify");
  return html`<section class="jobs" aria-label="Steps">
    ${ran.filter(({ kind }) => kind !== "verify").map((job) => jobTable(build, job, show))}
    ${build.staging === null ? null : publishTable(build.staging, "stage", span, now)}
    ${verify.map((job) => jobTable(build, job, show))}
    ${build.publish === null ? null : publishTable(build.publish, "publish", span, now)}
    ${left.length === 0 ? null : leftOut(left)}
  </section>`;
}

/** It never ran, and nothing of it is to be seen. */
function isLeftOut({ state, steps }: JobView): boolean {
  return state === "skipped" && steps.length === 0;
}

/** Many jobs are left out for the same reason: one line for each reason. */
function leftOut(jobs: readonly JobView[]): Html {
  const byReason = Map.groupBy(jobs, ({ reason }) => reason ?? "skipped");
  return html`<ul class="left-out">
    ${[...byReason].map(
      ([reason, some]) =>
        html`<li>
          ${stateWord("skipped")}
          <span class="target">${said(some.map(labelOf).join(", "))}</span>
          <span class="faint">${said(reason)}</span>
        </li>`,
    )}
  </ul>`;
}

/** What a job is called wherever it stands beside others: projects and verify jobs share targets. */
export function labelOf({ name, target }: Pick<JobView, "name" | "target">): string {
  return name === "" ? (target ?? "not planned yet") : name;
}

function jobTable(
  build: BuildView,
  job: JobView,
  show: { span: Span; now: number; showsTarget: boolean; chosen: ChosenStep | undefined },
): Html {
  const target = labelOf(job);
  // Without steps the reason stands where they would.
  const saysReason = job.reason !== null && job.steps.length > 0;
  const caption = show.showsTarget
    ? html`<caption>
        <span class="target">${said(target)}</span>
        ${stateWord(job.state)} ${attemptOf(build, job)}
        ${saysReason ? html`<span class="faint">${said(job.reason ?? "")}</span>` : null}
      </caption>`
    : html`<caption class="unseen">
        Steps of ${said(target)}
      </caption>`;
  return html`<table class="steps" id="job-${job.id}">
    ${caption}${columns()}
    <thead class="unseen">
      <tr>
        <th scope="col">Step</th>
        <th scope="col">State</th>
        <th scope="col">Time</th>
        <th scope="col">When</th>
      </tr>
    </thead>
    <tbody>
      ${job.steps.length === 0 ? waitingRow(job) : job.steps.map((step) => stepRow(build, job, step, show))}
    </tbody>
  </table>`;
}

function columns(): Html {
  return html`<colgroup>
    <col class="col-step" />
    <col class="col-state" />
    <col class="col-took" />
    <col />
  </colgroup>`;
}

function waitingRow(job: JobView): Html {
  const text =
    job.state === "queued"
      ? job.name === ""
        ? "Waits for a worker; the steps are known once it has read the commit."
        : waitText(job)
      : "No steps.";
  return html`<tr>
    <td colspan="4" class="faint">${job.reason === null ? text : said(job.reason)}</td>
  </tr>`;
}

function waitText({ kind, needs, arch }: JobView): string {
  if (kind === "verify") return "Waits until the packages are in the build's own channel.";
  if (needs.length > 0) return "Waits until the jobs that it needs have passed.";
  return arch === null ? "Waits for a worker." : `Waits for a worker of ${arch}.`;
}

function stepRow(
  build: BuildView,
  job: JobView,
  step: StepView,
  { span, now, chosen }: { span: Span; now: number; chosen: ChosenStep | undefined },
): Html {
  const isChosen =
    chosen !== undefined && chosen.job.id === job.id && chosen.step.name === step.name;
  const hasLog = step.startedAt !== null;
  const isBad = step.state === "failed" || step.state === "errored";
  const notes = stepNotes(build, job, step);
  return html`<tr
    id="s-${job.id}-${step.name}"
    data-row
    data-state="${step.state}"
    ${isBad ? html` data-failure` : null}${isChosen ? html` class="chosen"` : null}
  >
    <th scope="row">
      ${hasLog ? html`<a href="${stepPath(build, job, step)}" data-open>${said(step.title)}</a>` : said(step.title)}
    </th>
    <td>${stateWord(step.state)}</td>
    <td class="took">${elapsed(step.startedAt, endOf(step), now)}</td>
    <td class="bar-cell">${bar(step.startedAt, endOf(step), span, step.state)}${notes}</td>
  </tr>`;
}

function endOf(step: StepView): number | null {
  return isFinal(step.state) ? (step.endedAt ?? step.startedAt) : step.endedAt;
}

const PUBLISH_STATES = {
  queued: "queued",
  running: "running",
  live: "passed",
  failed: "failed",
  errored: "errored",
  cancelled: "cancelled",
} as const satisfies Record<PublishView["state"], string>;

/** `stage`: to the build's own channel, to be verified; `publish`: to where the rules send it. */
function publishTable(
  publish: PublishView,
  name: "stage" | "publish",
  span: Span,
  now: number,
): Html {
  const { startedAt, endedAt, channels, generations, warnings } = publish;
  const state = PUBLISH_STATES[publish.state];
  const end =
    endedAt ?? (publish.state === "running" || publish.state === "queued" ? null : startedAt);
  const took =
    publish.durationMs === null
      ? elapsed(startedAt, end, now)
      : html`<span class="num">${duration(publish.durationMs)}</span>`;
  return html`<table class="steps" id="${name}">
    <caption class="unseen">
      ${name === "stage" ? "Staging" : "Publishing"}
    </caption>
    ${columns()}
    <tbody>
      <tr data-row data-state="${state}">
        <th scope="row">${name}</th>
        <td>${stateWord(state, publish.state === "live" ? "live" : state)}</td>
        <td class="took">${took}</td>
        <td class="bar-cell">
          ${bar(startedAt, end, span, state)}
          <span class="note"
            >${channels.map((name, index) => channelNote(name, index, generations))}</span
          >
          ${publish.waiting == null ? null : html`<span class="note warn">${said(publish.waiting)}</span>`}
          ${warnings.length === 0 ? null : html`<span class="note warn">${warnings.length === 1 ? said(warnings[0] ?? "") : `${warnings.length} warnings, above`}</span>`}
        </td>
      </tr>
    </tbody>
  </table>`;
}

function channelNote(name: string, index: number, generations: PublishView["generations"]): Html {
  const made = generations.find(({ channel }) => channel === name);
  return html`${index === 0 ? "to " : ", "}<a href="${channelPath(name)}">${said(name)}</a
    >${made === undefined ? "" : html`, <a href="${generationPath(made)}">generation ${made.number}</a>`}`;
}

function spanOf(build: BuildView, now: number): Span {
  const steps = build.jobs.flatMap(({ steps: all }) => all);
  const publishes = [build.staging, build.publish].filter((one) => one !== null);
  const begun = [...steps, ...publishes];
  const starts = begun.flatMap(({ startedAt }) => startedAt ?? []);
  const ends = begun.flatMap(({ endedAt }) => endedAt ?? []);
  const from = Math.min(...starts, build.startedAt ?? build.createdAt);
  return { from, to: Math.max(from + 1, ...ends, ...(isFinal(build.state) ? [] : [now])) };
}

/** Width in thousandths: an attribute of the drawing, since style attributes are forbidden. */
function bar(startedAt: number | null, endedAt: number | null, span: Span, state: string): Html {
  if (startedAt === null) return html``;
  const scale = 1_000 / (span.to - span.from);
  const x = Math.max(0, (startedAt - span.from) * scale);
  const width = Math.max(4, ((endedAt ?? span.to) - startedAt) * scale);
  const open = endedAt === null ? html` data-open-bar` : null;
  return html`<svg
    class="span s-${state}"
    viewBox="0 0 1000 8"
    preserveAspectRatio="none"
    aria-hidden="true"
    data-from="${span.from}"
    data-start="${startedAt}"
    data-end="${endedAt ?? ""}"
  >
    <rect
      class="bar"
      x="${Math.min(996, x).toFixed(1)}"
      y="0"
      width="${Math.min(1_000, width).toFixed(1)}"
      height="8"
      ${open}
    />
  </svg>`;
}
