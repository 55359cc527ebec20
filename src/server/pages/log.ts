import { shortRef } from "../../domain/push.ts";
import type { RowsAnswer } from "../log-lines.ts";
import type { BuildView } from "../views.ts";
import { titleOf } from "./build-head.ts";
import { html, said, type Html } from "./html.ts";
import { stateIcon, stateWord } from "./icons.ts";
import { logPanel } from "./log-panel.ts";
import type { Page, PageContext } from "./page.ts";
import { buildPath, repoTrail, subjectOf } from "./parts.ts";
import { labelOf } from "./steps.ts";
import { stepPath, type ChosenStep } from "./step-path.ts";

export interface LogData {
  readonly build: BuildView;
  readonly chosen: ChosenStep;
  readonly logTail: RowsAnswer | undefined;
}

/** One step's log, as large as the window, with the other steps one click away. */
export function logPage({ build, chosen, logTail }: LogData, { now }: PageContext): Page {
  const { job, step } = chosen;
  return {
    title: `${step.title} · ${titleOf(build)}`,
    icon: build.state,
    shape: "fill",
    trail: [
      ...repoTrail(build.repo),
      { text: shortRef(build.ref) },
      { text: `#${build.number}`, href: buildPath(build) },
      { text: step.title },
    ],
    main: html`<article class="log-page" data-build="${build.id}">
      <header class="log-page-head">
        <h1 class="unseen">Log of ${said(step.title)}, build #${build.number}</h1>
        <p class="headline">
          ${stateWord(build.state)} <a href="${buildPath(build)}">${subjectOf(build.message)}</a>
        </p>
        ${stepTabs(build, chosen)}
      </header>
      ${step.startedAt === null ? notStarted(chosen) : logPanel({ build, job, step, tail: logTail, now })}
    </article>`,
  };
}

function stepTabs(build: BuildView, chosen: ChosenStep): Html {
  return html`<nav class="tabs" aria-label="Steps">
    ${build.jobs.map(
      (job) =>
        html`<ul>
          ${build.jobs.length > 1 ? html`<li class="faint">${said(labelOf(job))}</li>` : null}
          ${job.steps.map((step) => {
            const isChosen = job.id === chosen.job.id && step.name === chosen.step.name;
            const isBad = step.state === "failed" || step.state === "errored";
            return html`<li>
              <a
                class="tab s-${step.state}"
                href="${stepPath(build, job, step)}"
                ${isChosen ? html` aria-current="page"` : null}${isBad ? html` data-failure` : null}
                >${stateIcon(step.state)}<span>${said(step.title)}</span
                ><span class="unseen"> ${step.state}</span></a
              >
            </li>`;
          })}
        </ul>`,
    )}
  </nav>`;
}

/** The page of a step that waits turns into its log by itself. */
function notStarted({ job, step }: ChosenStep): Html {
  if (step.state === "queued") {
    const before = job.steps.find(({ state }) => state === "running");
    return html`<p class="empty">
      ${before === undefined ? "This step has not started: its job waits for a worker." : html`This step waits for <b>${said(before.name)}</b> to pass.`}
    </p>`;
  }
  return html`<p class="empty">
    This step did not run: it is
    ${step.state}.${step.note === null ? null : html` ${said(step.note)}`}
  </p>`;
}
