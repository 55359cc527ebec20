import { shortRef } from "../../domain/push.ts";
import { isFinal } from "../../domain/states.ts";
import type { BuildTests, StepTests, TestView } from "../test-views.ts";
import type { BuildView } from "../views.ts";
import { html, said, type Html } from "./html.ts";
import type { Page } from "./page.ts";
import { buildPath, repoTrail } from "./parts.ts";
import { stepPath } from "./step-path.ts";
import {
  coverageLine,
  sumsLine,
  testList,
  testPages,
  testSearch,
  type TestPlace,
  type TestsPaging,
} from "./test-parts.ts";

export interface BuildTestsData {
  readonly build: BuildView;
  /** Undefined: no step had reports. */
  readonly tests: BuildTests | undefined;
  readonly paging: TestsPaging;
}

/** The first failures stand open: nobody has to click to see why. */
const OPEN_MAX = 3;

/** The tests of a build: what failed first, then what is flaky or slow, then all of them. */
export function buildTestsPage({ build, tests, paging }: BuildTestsData): Page {
  return {
    title: `Tests of #${build.number}`,
    icon: build.state,
    trail: [
      ...repoTrail(build.repo),
      { text: shortRef(build.ref) },
      { text: `#${build.number}`, href: buildPath(build) },
      { text: "Tests" },
    ],
    main: html`<div class="section-head list-head">
        <h1>Tests of <a href="${buildPath(build)}">#${build.number}</a></h1>
        ${tests === undefined ? null : testSearch(paging)}
      </div>
      ${tests === undefined ? noReports(build) : content(build, tests, paging)}`,
  };
}

function content(build: BuildView, tests: BuildTests, paging: TestsPaging): Html {
  const { summary, failed, flaky, slowest, listed } = tests;
  const place = placeOf(build);
  const total = summary.passed + summary.failed + summary.errored + summary.skipped;
  const isNew = ({ failingSince }: TestView): boolean => failingSince === build.number;
  const fresh = failed.filter(isNew);
  const known = failed.filter((test) => !isNew(test));
  const all = html`<section id="all">
    <h2>${paging.wanted === "" ? "All tests" : html`Tests like “${said(paging.wanted)}”`}</h2>
    ${listed.length === 0 ? html`<p class="empty">No test has that in its name.</p>` : testList(listed, place, { key: "all" })}
    ${testPages(paging)}
  </section>`;
  return html`<p class="facts">${sumsLine(summary)} ${coverageLine(summary.coverage)}</p>
    ${summary.steps.map(stepLine)} ${paging.wanted === "" && paging.offset === 0 ? null : all}
    ${section("Newly failing", fresh, (some) => testList(some, place, { key: "new", openCount: OPEN_MAX }))}
    ${section("Failing before already", known, (some) => testList(some, place, { key: "old", openCount: OPEN_MAX }))}
    ${section("Flaky", flaky, (some) => testList(some, place, { key: "flaky" }))}
    ${total === 0 ? null : section("Slowest", slowest, (some) => testList(some, place, { key: "slow" }))}
    ${paging.wanted !== "" || paging.offset > 0 || total === 0 ? null : all}`;
}

function section(
  title: string,
  tests: readonly TestView[],
  draw: (tests: readonly TestView[]) => Html,
): Html {
  if (tests.length === 0) return html``;
  return html`<section>
    <h2>${title} <span class="faint">${tests.length}</span></h2>
    ${draw(tests)}
  </section>`;
}

/** What a step's reports were, and what was wrong with them. */
function stepLine(step: StepTests): Html {
  const { files, problems, changes, isSwept } = step;
  const changed =
    changes === null || changes.added + changes.gone === 0
      ? null
      : html`<span>${changes.added} added, ${changes.gone} gone since #${changes.against}</span>`;
  return html`<p class="facts">
      <b>${said(step.title)}</b> ${sumsLine(step)} ${changed}
      <span class="faint"
        >${files.slice(0, 5).map((file, index) => html`${index === 0 ? null : ", "}${said(file)}`)}${files.length > 5 ? ` and ${files.length - 5} more` : null}</span
      >
    </p>
    ${isSwept ? html`<p class="notice">The results themselves are gone: the newest 30 builds of a branch keep them.</p>` : null}
    ${
      problems.length === 0
        ? null
        : html`<ul class="notice">
            ${problems.map((problem) => html`<li>${said(problem)}</li>`)}
          </ul>`
    }`;
}

function placeOf(build: BuildView): TestPlace {
  return {
    repo: build.repo,
    number: build.number,
    logHref: ({ jobId, step }) => {
      const job = build.jobs.find(({ id }) => id === jobId);
      return job === undefined ? null : stepPath(build, job, { name: step });
    },
  };
}

function noReports(build: BuildView): Html {
  if (!isFinal(build.state)) {
    return html`<p class="empty">No reports yet. They are read when a step ends.</p>`;
  }
  return html`<div class="empty">
    <p>No step of this build left a report.</p>
    <p>
      Steps that name none are searched for <code>**/junit*.xml</code>, <code>**/TEST-*.xml</code>,
      <code>**/coverage.xml</code>, <code>**/cobertura*.xml</code> and <code>**/lcov.info</code>, as
      far as they wrote them. Add <code>reports: out/junit.xml</code> to a step to name its own.
    </p>
    <p>
      <a href="${buildPath(build)}">Back to the build</a>
    </p>
  </div>`;
}
