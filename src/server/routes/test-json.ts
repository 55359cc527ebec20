import { testTitle } from "../../domain/test-failure.ts";
import { buildPath } from "../pages/parts.ts";
import type { BuildTests, CoverageView, RepoTests, TestsSummary, TestView } from "../test-views.ts";
import type { BuildView } from "../views.ts";

/** What a build's JSON says of its tests; docs/reference/reports.md describes the fields. */
export function testsSummaryJson(summary: TestsSummary | null) {
  if (summary === null) return null;
  const { passed, failed, errored, skipped, durationMs, coverage, steps } = summary;
  return {
    passed,
    failed,
    errored,
    skipped,
    durationMs,
    coverage: coverageJson(coverage),
    steps: steps.map(({ isSwept: _isSwept, ...step }) => step),
  };
}

export function buildTestsJson(build: BuildView, tests: BuildTests | undefined, publicUrl: string) {
  return {
    build: build.id,
    repo: build.repo,
    number: build.number,
    url: `${publicUrl}${buildPath(build)}/tests`,
    summary: testsSummaryJson(tests?.summary ?? null),
    failed: (tests?.failed ?? []).map(testJson),
    flaky: (tests?.flaky ?? []).map(testJson),
    slowest: (tests?.slowest ?? []).map(testJson),
    tests: (tests?.listed ?? []).map(testJson),
    hasMore: tests?.hasMore ?? false,
  };
}

export function repoTestsJson(repo: string, branch: string, tests: RepoTests | undefined) {
  return {
    repo,
    branch,
    runs: tests?.runs ?? [],
    failing: (tests?.failing ?? []).map(testJson),
    flaky: (tests?.flaky ?? []).map(testJson),
    slowest: (tests?.slowest ?? []).map(testJson),
    added: (tests?.added ?? []).map(testJson),
    gone: (tests?.gone ?? []).map(testJson),
    tests: (tests?.listed ?? []).map(testJson),
    hasMore: tests?.hasMore ?? false,
  };
}

function testJson(test: TestView) {
  const { jobId, stepTitle: _stepTitle, firstNumber, ...rest } = test;
  return {
    ...rest,
    job: jobId === "" ? null : jobId,
    title: testTitle(test),
    firstBuild: firstNumber,
    flakyScore: Math.round(test.flakyScore * 100) / 100,
  };
}

function coverageJson(coverage: CoverageView | null) {
  if (coverage === null) return null;
  const { linesCovered, linesTotal, before } = coverage;
  const percent = percentOf(linesCovered, linesTotal);
  const change =
    before === null
      ? null
      : Math.round((percent - percentOf(before.linesCovered, before.linesTotal)) * 100) / 100;
  return { linesCovered, linesTotal, percent, change };
}

function percentOf(covered: number, total: number): number {
  return total === 0 ? 0 : Math.round((covered / total) * 10_000) / 100;
}
