import { testTitle } from "../../domain/test-failure.ts";
import { FLAKY_SCORE_MIN } from "../../domain/test-history.ts";
import { duration } from "../assets/times.ts";
import type { CoverageView, PastRunView, TestSums, TestView } from "../test-views.ts";
import { count, plural } from "./format.ts";
import { html, said, saidBlock, type Html } from "./html.ts";
import { stateWord } from "./icons.ts";
import { buildPath, copyButton } from "./parts.ts";

const BAR_WIDTH = 5;
const BAR_GAP = 2;
const STRIP_HEIGHT = 16;
const SKIPPED_HEIGHT = 5;

/** The last runs of a test as small bars, oldest on the left; a failure is taller and has its colour. */
export function strip(history: readonly PastRunView[]): Html {
  if (history.length === 0) return html``;
  const width = history.length * (BAR_WIDTH + BAR_GAP) - BAR_GAP;
  const failed = history.filter(hasFailed).length;
  const label = `Last ${plural(history.length, "run")}, ${failed} failed`;
  return html`<svg
    class="strip"
    viewBox="0 0 ${width} ${STRIP_HEIGHT}"
    width="${width}"
    height="${STRIP_HEIGHT}"
    role="img"
    aria-label="${label}"
  >
    ${history.map(stripBar)}
  </svg>`;
}

function stripBar(run: PastRunView, index: number): Html {
  const full = hasFailed(run) ? STRIP_HEIGHT : STRIP_HEIGHT - 6;
  const height = run.state === "skipped" ? SKIPPED_HEIGHT : full;
  const took = run.durationMs === null ? "" : `, ${duration(run.durationMs)}`;
  const retried = run.isRetried ? ", at a second try" : "";
  return html`<g class="s-${run.state}">
    <title>#${run.number} ${run.state}${retried}${took}</title>
    <rect
      class="bar"
      x="${index * (BAR_WIDTH + BAR_GAP)}"
      y="${STRIP_HEIGHT - height}"
      width="${BAR_WIDTH}"
      height="${height}"
    />
  </g>`;
}

function hasFailed({ state }: Pick<PastRunView, "state">): boolean {
  return state === "failed" || state === "errored";
}

export interface TestPlace {
  readonly repo: string;
  /** Of the build whose page it is; null: the repo's. */
  readonly number: number | null;
  /** Address of the step's log; null: there is none to link. */
  logHref(test: TestView): string | null;
}

/** Tests as rows that open. A test may stand in several lists of a page, so each has a key. */
export function testList(
  tests: readonly TestView[],
  place: TestPlace,
  { key, openCount = 0 }: { readonly key: string; readonly openCount?: number },
): Html {
  return html`<ul class="tests">
    ${tests.map((test, index) => html`<li data-row>${testRow(test, place, { id: `${key}-${test.id}`, isOpen: index < openCount })}</li>`)}
  </ul>`;
}

function testRow(
  test: TestView,
  place: TestPlace,
  { id, isOpen }: { readonly id: string; readonly isOpen: boolean },
): Html {
  return html`<details
    class="test"
    id="${id}"
    ${isOpen ? html` open` : null}${hasFailed(test) ? html` data-failure` : null}
  >
    <summary>
      ${stateWord(test.state)}<span class="test-name">${said(testTitle(test))}</span>
      <span class="faint">${said(test.stepTitle)}</span>
      ${sinceMark(test, place)}${flakyMark(test)}
      ${test.durationMs === null ? null : html`<span class="num">${duration(test.durationMs)}</span>`}
      ${strip(test.history)}
    </summary>
    ${testBody(test, place)}
  </details>`;
}

function sinceMark({ failingSince }: TestView, { repo, number }: TestPlace): Html {
  if (failingSince === null) return html``;
  if (failingSince === number) return html`<span class="mark s-failed">new</span>`;
  const href = `${buildPath({ repo, number: failingSince })}/tests`;
  return html`<span class="mark">since <a href="${href}">#${failingSince}</a></span>`;
}

function flakyMark({ flakyScore }: TestView): Html {
  if (flakyScore < FLAKY_SCORE_MIN) return html``;
  const score = Math.round(flakyScore * 100);
  return html`<span class="mark s-errored" title="flaky score ${score} of 100">flaky</span>`;
}

function testBody(test: TestView, place: TestPlace): Html {
  const { file, line, message, details, suite, className, name } = test;
  const where = file === null ? null : line === null ? file : `${file}:${line}`;
  const log = place.logHref(test);
  const isRepeated = details.trimStart().startsWith(message.split("\n", 1)[0] ?? "");
  const text =
    isRepeated && details !== "" ? details : [message, details].filter(Boolean).join("\n");
  const whole = [suite, className, name].filter((part) => part !== "");
  return html`<div class="test-body">
    ${text === "" ? null : html`<pre class="excerpt">${saidBlock(text)}</pre>`}
    <p class="card-places">
      ${where === null ? null : html`<span class="place"><code>${said(where)}</code>${copyButton(where, "the place")}</span>`}
      ${log === null ? null : html`<a href="${log}">Log of the step</a>`}
      <span class="faint"
        >${whole.map((part, index) => html`${index === 0 ? null : " › "}${said(part)}`)}; first seen
        in #${test.firstNumber}</span
      >
    </p>
  </div>`;
}

/** `2 failed, 119 passed, 3 skipped`. */
export function sumsLine(sums: TestSums): Html {
  const failed = sums.failed + sums.errored;
  const total = failed + sums.passed + sums.skipped;
  if (total === 0) return html`<span>no tests</span>`;
  return html`${failed === 0 ? null : html`<span class="s-failed">${count(failed)} failed</span>`}
    <span>${count(sums.passed)} passed</span>
    ${sums.skipped === 0 ? null : html`<span>${count(sums.skipped)} skipped</span>`}
    <span>${plural(total, "test")} in ${duration(sums.durationMs)}</span>`;
}

/** `87.3 % of lines, 0.4 more than before`. */
export function coverageLine(coverage: CoverageView | null): Html {
  if (coverage === null) return html``;
  const { before } = coverage;
  const now = percentOf(coverage);
  const change = before === null ? 0 : Math.round((now - percentOf(before)) * 10) / 10;
  const trend =
    before === null
      ? null
      : change === 0
        ? ", as before"
        : `, ${Math.abs(change).toFixed(1)} ${change > 0 ? "more" : "less"} than before`;
  return html`<span title="${count(coverage.linesCovered)} of ${count(coverage.linesTotal)} lines"
    >coverage ${now.toFixed(1)} %${trend}</span
  >`;
}

function percentOf({ linesCovered, linesTotal }: { linesCovered: number; linesTotal: number }) {
  return linesTotal === 0 ? 0 : (linesCovered / linesTotal) * 100;
}

export interface TestsPaging {
  readonly path: string;
  readonly wanted: string;
  readonly offset: number;
  readonly limit: number;
  readonly hasMore: boolean;
}

/** The field that filters by text. */
export function testSearch({ path, wanted }: TestsPaging): Html {
  return html`<form class="name-search" action="${path}" role="search">
    <input
      type="search"
      name="q"
      value="${wanted}"
      placeholder="Name or class"
      aria-label="Filter tests"
      maxlength="200"
    /><button class="button">Filter</button>
  </form>`;
}

export function testPages({ path, wanted, offset, limit, hasMore }: TestsPaging): Html {
  const href = (from: number): string => {
    const query = new URLSearchParams({
      ...(wanted === "" ? {} : { q: wanted }),
      ...(from === 0 ? {} : { from: String(from) }),
    }).toString();
    return `${path}${query === "" ? "" : `?${query}`}#all`;
  };
  if (offset === 0 && !hasMore) return html``;
  return html`<nav class="older" aria-label="More tests">
    ${offset === 0 ? null : html`<a href="${href(0)}">From the first</a>`}
    ${hasMore ? html`<a href="${href(offset + limit)}">Next tests</a>` : null}
  </nav>`;
}
