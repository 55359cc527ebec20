import { expect, test } from "vitest";
import { repoTestsPage } from "../../../src/server/pages/repo-tests.ts";
import { testBadge } from "../../../src/server/pages/test-badge.ts";
import type { TestsPaging } from "../../../src/server/pages/test-parts.ts";
import { buildTestsPage } from "../../../src/server/pages/tests.ts";
import type {
  BuildTests,
  RepoTests,
  TestsSummary,
  TestView,
} from "../../../src/server/test-views.ts";
import { draw, NOW } from "../../support/page-context.ts";
import { aBuild, aJob, aStep } from "../../support/memory-read-store.ts";

const HOSTILE = "<script>alert(1)</script>\u202e";

const aTest = (some: Partial<TestView> = {}): TestView => ({
  id: "t1",
  jobId: "job-1",
  step: "unit-22",
  stepTitle: "unit (node 22)",
  suite: "greet",
  className: "test/greet.test.ts",
  name: "greets an empty name",
  state: "failed",
  durationMs: 1_200,
  message: "expected 'Hello, '",
  details: "",
  file: "test/greet.test.ts",
  line: 41,
  history: [
    { number: 44, state: "passed", isRetried: false, durationMs: 5 },
    { number: 45, state: "skipped", isRetried: false, durationMs: null },
    { number: 46, state: "failed", isRetried: false, durationMs: 7 },
  ],
  failingSince: 46,
  flakyScore: 0.1,
  firstNumber: 3,
  ...some,
});

const SUMMARY: TestsSummary = {
  passed: 119,
  failed: 2,
  errored: 0,
  skipped: 3,
  durationMs: 4_000,
  coverage: {
    linesCovered: 873,
    linesTotal: 1_000,
    before: { linesCovered: 869, linesTotal: 1_000 },
  },
  steps: [
    {
      jobId: "job-1",
      step: "unit-22",
      title: "unit (node 22)",
      passed: 119,
      failed: 2,
      errored: 0,
      skipped: 3,
      durationMs: 4_000,
      files: ["out/junit.xml"],
      problems: ["no file matches out/more.xml; found: out/other.xml"],
      changes: { against: 45, added: 2, gone: 1 },
      isSwept: false,
    },
  ],
};

const steps = [aStep({ name: "unit-22", state: "failed", startedAt: NOW })];
const BUILD = aBuild({
  number: 46,
  state: "failed",
  createdAt: NOW,
  jobs: [aJob({ queuedAt: NOW, steps })],
  tests: SUMMARY,
});

const PAGING: TestsPaging = {
  path: "/repos/acme/hello/46/tests",
  wanted: "",
  offset: 0,
  limit: 100,
  hasMore: false,
};

const buildHtml = (some: Partial<BuildTests> = {}, paging = PAGING): string => {
  const none = { failed: [], flaky: [], slowest: [], listed: [], hasMore: false };
  return draw(
    buildTestsPage({ build: BUILD, tests: { summary: SUMMARY, ...none, ...some }, paging }),
  );
};

test("what newly fails stands first, open, with its reason, place, history and log", () => {
  const old = aTest({ id: "t2", name: "fails since long", failingSince: 40 });
  const document = buildHtml({ failed: [old, aTest()], listed: [aTest()] });

  expect(document.indexOf("Newly failing")).toBeLessThan(
    document.indexOf("Failing before already"),
  );
  expect(document).toMatch(/id="new-t1"\s+open/);
  expect(document).toContain("test/greet.test.ts:41");
  expect(document).toContain('href="/repos/acme/hello/46/unit-22"');
  expect(document).toContain('since <a href="/repos/acme/hello/40/tests">#40</a>');
  expect(document).toContain('aria-label="Last 3 runs, 1 failed"');
  expect(document).toContain("#46 failed");
});

test("a test in several lists has an id of its own in each", () => {
  const all = [aTest()];
  const document = buildHtml({ failed: all, flaky: all, slowest: all, listed: all });

  const ids = [...document.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("sums, coverage with its trend, and what was wrong with the reports are told", () => {
  const document = buildHtml();

  expect(document).toContain("2 failed");
  expect(document).toContain("124 tests in");
  expect(document).toContain("coverage 87.3 %, 0.4 more than before");
  expect(document).toContain("no file matches out/more.xml; found: out/other.xml");
  expect(document).toContain("2 added, 1 gone since #45");
});

test("a filter keeps its words, and pages go on", () => {
  const document = buildHtml(
    { listed: [aTest()] },
    { ...PAGING, wanted: "a b", hasMore: true, offset: 100 },
  );

  expect(document).toContain('value="a b"');
  expect(document).toContain("/repos/acme/hello/46/tests?q=a+b&amp;from=200#all");
  expect(buildHtml({}, { ...PAGING, wanted: "zzz" })).toContain("No test has that in its name.");
});

test("a build without reports says where was looked, one that runs that they come", () => {
  const empty = draw(buildTestsPage({ build: BUILD, tests: undefined, paging: PAGING }));
  const running = { ...BUILD, state: "running" as const };

  expect(empty).toContain("**/junit*.xml");
  expect(empty).toContain("reports: out/junit.xml");
  expect(draw(buildTestsPage({ build: running, tests: undefined, paging: PAGING }))).toContain(
    "No reports yet",
  );
});

test("nothing that a report says becomes markup, inline script or style", () => {
  const evil = aTest({
    name: HOSTILE,
    suite: HOSTILE,
    className: HOSTILE,
    message: HOSTILE,
    details: HOSTILE,
    file: HOSTILE,
    stepTitle: HOSTILE,
  });
  const document = buildHtml({ failed: [evil], flaky: [evil], slowest: [evil], listed: [evil] });

  expect(document).not.toContain("<script>alert");
  expect(document).not.toContain("\u202e");
  expect(document).not.toMatch(/\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)/);
});

test("a repo's page tells what fails most, is flaky, new or gone", () => {
  const runs = [44, 45, 46].map((number) => {
    const sums = { passed: 119, failed: number === 46 ? 2 : 0, errored: 0, skipped: 0 };
    return { number, ...sums, durationMs: 10 * number, linesCovered: null, linesTotal: null };
  });
  const tests: RepoTests = {
    branch: "refs/heads/main",
    runs,
    failing: [aTest()],
    flaky: [aTest({ id: "t2", name: "flips", flakyScore: 0.75 })],
    slowest: [],
    added: [aTest({ id: "t3", name: "is new" })],
    gone: [aTest({ id: "t4", name: "is gone" })],
    listed: [aTest()],
    hasMore: false,
  };
  const data = { repo: "acme/hello", branch: tests.branch, paging: PAGING };

  const document = draw(repoTestsPage({ ...data, tests }));

  for (const title of ["Failing most often", "Flaky", "Newly added", "Gone", "All tests"]) {
    expect(document).toContain(`<h2>${title}</h2>`);
  }
  expect(document).toContain('title="flaky score 75 of 100"');
  expect(document).toContain("#46 2 failed");
  expect(document).toContain('href="/repos/acme/hello/46/tests"');
  expect(draw(repoTestsPage({ ...data, tests: undefined }))).toContain("had test reports");
});

test("a step's badge counts its tests and leads to them", () => {
  const at = { jobId: "job-1", step: "unit-22" };

  expect(testBadge(BUILD, at).markup).toContain("2 of 124 failed");
  expect(testBadge(BUILD, at).markup).toContain('href="/repos/acme/hello/46/tests"');
  expect(testBadge(BUILD, { ...at, step: "lint" }).markup).toBe("");
  expect(testBadge({ ...BUILD, tests: null }, at).markup).toBe("");
});
