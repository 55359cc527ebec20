import type { TestResult } from "../shared/build-messages.ts";

/** Sums of a build's, or a step's, tests. */
export interface TestSums {
  readonly passed: number;
  readonly failed: number;
  readonly errored: number;
  readonly skipped: number;
  readonly durationMs: number;
}

export interface CoverageView {
  readonly linesCovered: number;
  readonly linesTotal: number;
  /** The same of the build before on this branch; null: there is none. */
  readonly before: { readonly linesCovered: number; readonly linesTotal: number } | null;
}

/** What a build page and its JSON say of tests. */
export interface TestsSummary extends TestSums {
  readonly coverage: CoverageView | null;
  readonly steps: readonly StepTests[];
}

export interface StepTests extends TestSums {
  readonly jobId: string;
  readonly step: string;
  readonly title: string;
  readonly files: readonly string[];
  /** What could not be read, or where nothing was found. */
  readonly problems: readonly string[];
  /** Against the build before on this branch; null: there is none. */
  readonly changes: {
    readonly against: number;
    readonly added: number;
    readonly gone: number;
  } | null;
  /** Its tests are forgotten: only the newest 30 builds of a branch keep them. */
  readonly isSwept: boolean;
}

export interface PastRunView {
  readonly number: number;
  readonly state: TestResult["state"];
  readonly isRetried: boolean;
  readonly durationMs: number | null;
}

export interface TestView {
  readonly id: string;
  readonly jobId: string;
  readonly step: string;
  readonly stepTitle: string;
  readonly suite: string;
  readonly className: string;
  readonly name: string;
  readonly state: TestResult["state"];
  readonly durationMs: number | null;
  readonly message: string;
  readonly details: string;
  readonly file: string | null;
  readonly line: number | null;
  /** Oldest first, at most 30; empty where nobody asked for it. */
  readonly history: readonly PastRunView[];
  /** Build since which it fails without a pass between; null: it does not fail. */
  readonly failingSince: number | null;
  /** From 0 to 1; called flaky from 0.5 on. */
  readonly flakyScore: number;
  readonly firstNumber: number;
}

/** All that the page of a build's tests shows. */
export interface BuildTests {
  readonly summary: TestsSummary;
  readonly failed: readonly TestView[];
  readonly flaky: readonly TestView[];
  readonly slowest: readonly TestView[];
  /** Those that the filter names, or the first by name; at most a page. */
  readonly listed: readonly TestView[];
  readonly hasMore: boolean;
}

/** All that the page of a repo's tests shows: of its default branch. */
export interface RepoTests {
  readonly branch: string;
  /** Builds with reports, oldest first. */
  readonly runs: readonly (TestSums & {
    readonly number: number;
    readonly linesCovered: number | null;
    readonly linesTotal: number | null;
  })[];
  readonly failing: readonly TestView[];
  readonly flaky: readonly TestView[];
  readonly slowest: readonly TestView[];
  readonly added: readonly TestView[];
  readonly gone: readonly TestView[];
  readonly listed: readonly TestView[];
  readonly hasMore: boolean;
}

export interface TestFilter {
  readonly query?: string;
  readonly limit: number;
  readonly offset: number;
}

export interface TestReads {
  ofBuild(
    build: { readonly id: string; readonly number: number },
    filter: TestFilter,
  ): Promise<BuildTests | undefined>;
  /** Undefined: no build of it had reports. */
  ofRepo(repo: string, branch: string, filter: TestFilter): Promise<RepoTests | undefined>;
  summaryOf(buildId: string): Promise<TestsSummary | null>;
}
