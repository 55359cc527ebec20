import type {
  BuildTests,
  RepoTests,
  TestReads,
  TestsSummary,
  TestView,
} from "../../src/server/test-views.ts";

const HISTORY = Array.from({ length: 30 }, (_, index) => ({
  number: 17 + index,
  state: index > 26 || index === 11 ? ("failed" as const) : ("passed" as const),
  isRetried: false,
  durationMs: 5 + index,
}));

function aTest(some: Partial<TestView>): TestView {
  return {
    id: some.name?.replace(/\W/g, "") ?? "t",
    jobId: "job-f",
    step: "unit",
    stepTitle: "unit (node 22)",
    suite: "greet",
    className: "test/greet.test.ts",
    name: "greets an empty name",
    state: "failed",
    durationMs: 1_234,
    message: "expected 'Hello, ' to be 'Hello, stranger'",
    details: "expected 'Hello, ' to be 'Hello, stranger'\n    at greet (test/greet.test.ts:41:5)",
    file: "test/greet.test.ts",
    line: 41,
    history: HISTORY,
    failingSince: 46,
    flakyScore: 0.15,
    firstNumber: 3,
    ...some,
  };
}

const FRESH = aTest({});
const KNOWN = aTest({ name: "a_name_without_any_place_to_break_".repeat(6), failingSince: 44 });
const FLAKY = aTest({ name: "flips", state: "passed", failingSince: null, flakyScore: 0.9 });
const PASSED = aTest({
  name: "greets by name",
  state: "passed",
  failingSince: null,
  message: "",
  details: "",
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
      jobId: "job-f",
      step: "unit",
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

const OF_BUILD: BuildTests = {
  summary: SUMMARY,
  failed: [FRESH, KNOWN],
  flaky: [FLAKY],
  slowest: [FRESH, PASSED],
  listed: [FRESH, KNOWN, FLAKY, PASSED],
  hasMore: true,
};

const OF_REPO: RepoTests = {
  branch: "refs/heads/main",
  runs: HISTORY.map(({ number, state }) => ({
    number,
    passed: 119,
    failed: state === "failed" ? 2 : 0,
    errored: 0,
    skipped: 3,
    durationMs: 1_000 + 100 * number,
    linesCovered: 800 + number,
    linesTotal: 1_000,
  })),
  failing: [FRESH],
  flaky: [FLAKY],
  slowest: [PASSED],
  added: [PASSED],
  gone: [KNOWN],
  listed: [FRESH, PASSED],
  hasMore: false,
};

/** Tests of every build and repo. */
export const SAMPLE_TESTS: TestReads = {
  ofBuild: () => Promise.resolve(OF_BUILD),
  ofRepo: () => Promise.resolve(OF_REPO),
  summaryOf: () => Promise.resolve(SUMMARY),
};
