/** One run of a test, as its history keeps it. */
export interface TestRun {
  readonly state: "passed" | "failed" | "errored" | "skipped";
  /** Number of the build. */
  readonly number: number;
  readonly sha: string | null;
  /** It failed at first, and passed when its runner tried again. */
  readonly isRetried: boolean;
}

/** Runs of one test that a history holds. */
export const HISTORY_RUNS_MAX = 30;

/** From this score on a test is called flaky. */
export const FLAKY_SCORE_MIN = 0.5;

const SAME_COMMIT_WEIGHT = 1;
const OTHER_COMMIT_WEIGHT = 0.15;

/**
 * How surely a test is flaky, from 0 to just below 1, over its runs of one branch (oldest first):
 * `1 - 2^-w`, where `w` adds up what speaks for it.
 * - 1 for each change between passed and failed on the same commit: nothing but chance changed. The
 *   same for a run in which the runner itself had to try again.
 * - 0.15 for each change between two commits: one break and its repair (0.3, a score of 0.19) is no
 *   flakiness, seven changes within 30 runs (1.05) are.
 * Skipped runs say nothing. One change on the same commit is enough to be called flaky (0.5).
 */
export function flakyScore(runs: readonly TestRun[]): number {
  const told = runs.filter(({ state }) => state !== "skipped");
  let weight = told.filter(({ isRetried }) => isRetried).length;
  for (const [index, run] of told.entries()) {
    const before = told[index - 1];
    if (before === undefined || hasFailed(before) === hasFailed(run)) continue;
    const isSameCommit = run.sha !== null && run.sha === before.sha;
    weight += isSameCommit ? SAME_COMMIT_WEIGHT : OTHER_COMMIT_WEIGHT;
  }
  return 1 - 2 ** -weight;
}

/**
 * The build from which on the test has failed without a pass between; undefined: it does not fail
 * now. `runs` are oldest first, the newest is the one asked about.
 */
export function failingSince(runs: readonly TestRun[]): number | undefined {
  let since: number | undefined;
  for (const run of runs.toReversed()) {
    if (run.state === "skipped") continue;
    if (!hasFailed(run)) break;
    since = run.number;
  }
  return since;
}

export function hasFailed({ state }: Pick<TestRun, "state">): boolean {
  return state === "failed" || state === "errored";
}
