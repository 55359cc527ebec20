import { shortRef } from "../../domain/push.ts";
import { duration } from "../assets/times.ts";
import type { RepoTests, TestView } from "../test-views.ts";
import { html, said, type Html } from "./html.ts";
import type { Page } from "./page.ts";
import { buildPath, refChip, repoTrail } from "./parts.ts";
import {
  coverageLine,
  sumsLine,
  testList,
  testPages,
  testSearch,
  type TestsPaging,
} from "./test-parts.ts";

export interface RepoTestsData {
  readonly repo: string;
  /** Undefined: no build of the branch had reports. */
  readonly tests: RepoTests | undefined;
  readonly branch: string;
  readonly paging: TestsPaging;
}

/** The tests of a repo on its default branch: which fail most, are flaky, slow, new or gone. */
export function repoTestsPage({ repo, tests, branch, paging }: RepoTestsData): Page {
  return {
    title: `Tests of ${repo}`,
    icon: "none",
    trail: [...repoTrail(repo), { text: "Tests" }],
    main: html`<div class="section-head list-head">
        <h1>Tests</h1>
        ${refChip(branch)} ${tests === undefined ? null : testSearch(paging)}
      </div>
      ${tests === undefined ? noReports(branch) : content(repo, tests, paging)}`,
  };
}

function content(repo: string, tests: RepoTests, paging: TestsPaging): Html {
  const place = { repo, number: null, logHref: () => null };
  const list = (title: string, some: readonly TestView[]): Html =>
    some.length === 0
      ? html``
      : html`<section>
          <h2>${title}</h2>
          ${testList(some, place, { key: title.toLowerCase().replaceAll(" ", "-") })}
        </section>`;
  const newest = tests.runs.at(-1);
  const isWhole = paging.wanted === "" && paging.offset === 0;
  const all = html`<section id="all">
    <h2>${paging.wanted === "" ? "All tests" : html`Tests like “${said(paging.wanted)}”`}</h2>
    ${tests.listed.length === 0 ? html`<p class="empty">No test has that in its name.</p>` : testList(tests.listed, place, { key: "all" })}
    ${testPages(paging)}
  </section>`;
  return html`${newest === undefined ? null : newestLine(repo, tests)} ${runBars(repo, tests)}
  ${isWhole ? null : all} ${list("Failing most often", tests.failing)} ${list("Flaky", tests.flaky)}
  ${list("Slowest", tests.slowest)} ${list("Newly added", tests.added)} ${list("Gone", tests.gone)}
  ${isWhole ? all : null}`;
}

function newestLine(repo: string, { runs }: RepoTests): Html {
  const newest = runs.at(-1);
  if (newest === undefined) return html``;
  const { number, linesCovered, linesTotal } = newest;
  const earlier = runs.slice(0, -1).findLast((run) => run.linesTotal !== null);
  const before = linesOf(earlier);
  const lines = linesOf({ linesCovered, linesTotal });
  return html`<p class="facts">
    <a href="${buildPath({ repo, number })}/tests">#${number}</a> ${sumsLine(newest)}
    ${coverageLine(lines && { ...lines, before })}
  </p>`;
}

function linesOf(
  run: { readonly linesCovered: number | null; readonly linesTotal: number | null } | undefined,
) {
  if (run?.linesTotal == null || run.linesCovered === null) return null;
  return { linesCovered: run.linesCovered, linesTotal: run.linesTotal };
}

const BAR_WIDTH = 10;
const BAR_GAP = 3;
const CHART_HEIGHT = 48;

/** The last builds: height is how long their tests took, colour whether one failed. */
function runBars(repo: string, { runs }: RepoTests): Html {
  if (runs.length < 3) return html``;
  const longest = Math.max(1, ...runs.map(({ durationMs }) => durationMs));
  const width = runs.length * (BAR_WIDTH + BAR_GAP) - BAR_GAP;
  return html`<figure class="history">
    <svg
      viewBox="0 0 ${width} ${CHART_HEIGHT}"
      width="${width}"
      height="${CHART_HEIGHT}"
      role="img"
      aria-label="Tests of the last ${runs.length} builds"
    >
      ${runs.map((run, index) => {
        const failed = run.failed + run.errored;
        const height = Math.max(4, Math.round((run.durationMs / longest) * CHART_HEIGHT));
        const said_ = failed === 0 ? "all passed" : `${failed} failed`;
        return html`<a href="${buildPath({ repo, number: run.number })}/tests">
          <g class="s-${failed === 0 ? "passed" : "failed"}">
            <title>#${run.number} ${said_}, ${duration(run.durationMs)}</title>
            <rect
              class="bar"
              x="${index * (BAR_WIDTH + BAR_GAP)}"
              y="${CHART_HEIGHT - height}"
              width="${BAR_WIDTH}"
              height="${height}"
            />
          </g>
        </a>`;
      })}
    </svg>
    <figcaption class="faint">
      tests of the last ${runs.length} builds, the longest ${duration(longest)}
    </figcaption>
  </figure>`;
}

function noReports(branch: string): Html {
  return html`<div class="empty">
    <p>No build of ${said(shortRef(branch))} had test reports.</p>
    <p>
      Add <code>reports: out/junit.xml</code> to a step. Without it, each step is searched for
      <code>**/junit*.xml</code> and <code>**/TEST-*.xml</code>.
    </p>
  </div>`;
}
