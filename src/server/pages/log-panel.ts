import { isFinal } from "../../domain/states.ts";
import { logRowMarkup } from "../assets/log-row.ts";
import type { RowsAnswer } from "../log-lines.ts";
import { removedLog } from "../removed-logs.ts";
import type { BuildView } from "../views.ts";
import { bytes, elapsed, plural } from "./format.ts";
import { Html, html, said } from "./html.ts";
import { stateWord } from "./icons.ts";
import { labelOf } from "./steps.ts";
import { stepPath, type ChosenStep } from "./step-path.ts";

export interface LogPanel extends ChosenStep {
  readonly build: BuildView;
  /** The last rows, for readers without scripts; undefined where the page is drawn again. */
  readonly tail: RowsAnswer | undefined;
  readonly now: number;
}

/**
 * A step's log. Without scripts it is its last part; with them the element takes over, reads any
 * rows it needs, and follows.
 */
export function logPanel({ build, job, step, tail, now }: LogPanel): Html {
  const removed = removedLog(build);
  if (removed !== undefined) return removedPanel({ build, job, step }, removed);
  const query = new URLSearchParams({ job: job.id, step: step.name }).toString();
  const api = `/api/builds/${encodeURIComponent(build.id)}/log`;
  const isBlamed = build.failure?.step === step.name && build.failure.logLine !== null;
  return html`<log-view
    id="log"
    data-rows="${api}/rows?${query}"
    data-key="${job.id} ${job.attempt} ${step.name}"
    data-state="${step.state}"
    data-live="${String(!isFinal(step.state))}"
    data-line="${isBlamed ? (build.failure?.logLine ?? "") : ""}"
  >
    <div class="log-head">
      ${build.jobs.length > 1 ? html`<span class="target">${said(labelOf(job))}</span>` : null}
      <h2><a href="${stepPath(build, job, step)}">${said(step.title)}</a></h2>
      ${stateWord(step.state)}
      ${elapsed(step.startedAt, isFinal(step.state) ? (step.endedAt ?? step.startedAt) : null, now)}
      <span class="log-tools"></span>
      <a class="plain" href="${api}?${query}">Raw</a>
      <a class="plain" href="${api}?${query}&amp;format=raw">Download</a>
    </div>
    <div class="log-body" role="log" aria-live="off" tabindex="0" aria-label="Log of ${step.title}">
      ${tail === undefined ? null : tailOf(tail, `${api}?${query}`, isFinal(step.state))}
    </div>
  </log-view>`;
}

/** Scripts leave it alone: there are no rows to ask for. */
function removedPanel({ build, job, step }: Omit<LogPanel, "tail" | "now">, why: string): Html {
  return html`<section id="log" aria-label="Log of ${step.title}">
    <div class="log-head">
      ${build.jobs.length > 1 ? html`<span class="target">${said(labelOf(job))}</span>` : null}
      <h2><a href="${stepPath(build, job, step)}">${said(step.title)}</a></h2>
      ${stateWord(step.state)}
    </div>
    <p class="empty">${why}</p>
  </section>`;
}

function tailOf(tail: RowsAnswer, rawHref: string, isEnded: boolean): Html {
  if (tail.totalRows === 0) {
    return html`<p class="log-note">
      ${isEnded ? "This step printed nothing." : "Nothing printed yet."}
    </p>`;
  }
  const isPart = tail.from > 0;
  const note = html`<p class="log-note">
    The last ${plural(tail.rows.length, "line")} of ${tail.totalLines.toLocaleString("en-US")}.
    <a href="${rawHref}">The whole log, ${bytes(tail.sizeBytes)}</a>
  </p>`;
  const rows = tail.rows
    .map((row) => logRowMarkup(row.isContinued ? 0 : row.line, row.html))
    .join("");
  return html`${isPart ? note : null}
    <pre class="log-rows">${new Html(rows)}</pre>`;
}
