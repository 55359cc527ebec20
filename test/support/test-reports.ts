import type { ReportsMessage, TestResult } from "../../src/shared/build-messages.ts";
import type { Store } from "../../src/server/store/store.ts";
import { sweepReports } from "../../src/server/store/test-retention.ts";
import { recordReports } from "../../src/server/store/test-writes.ts";
import { aPush } from "./a-store.ts";
import { aRunningJob } from "./store-rig.ts";

/** A test that passed, unless told otherwise. */
export function aResult(some: Partial<TestResult> = {}): TestResult {
  return {
    suite: "greet",
    className: "test/greet.test.ts",
    name: "greets by name",
    state: "passed",
    durationMs: 10,
    message: "",
    details: "",
    file: null,
    line: null,
    ...some,
  };
}

export function aFailure(name: string, some: Partial<TestResult> = {}): TestResult {
  const message = "expected 'Hello, ' to be 'Hello, stranger'";
  const place = { file: "test/greet.test.ts", line: 41 };
  return aResult({ name, state: "failed", message, details: "a stack", ...place, ...some });
}

export function aReport(
  tests: readonly TestResult[],
  some: Partial<ReportsMessage> = {},
): ReportsMessage {
  return {
    part: 0,
    isLast: true,
    files: ["out/junit.xml"],
    tests: [...tests],
    coverage: null,
    problems: [],
    ...some,
  };
}

let commits = 0;

/** A build of a branch whose step `test` had these tests; its job still runs. */
export async function aTestedBuild(
  store: Store,
  tests: readonly TestResult[],
  options: { ref?: string; sha?: string; step?: string; report?: Partial<ReportsMessage> } = {},
) {
  commits += 1;
  const { ref = "refs/heads/main", sha = commits.toString(16).padStart(40, "c") } = options;
  const { step = "test", report = {} } = options;
  const token = `token-${commits}`;
  // The same commit may be built again, and no push is another's.
  const before = commits.toString(16).padStart(40, "b");
  const push = aPush({ ref, before, after: sha, sha });
  const job = await aRunningJob(store, { token, push });
  const message = aReport(tests, report);
  const recorded = await recordReports(store, job, step, message);
  if (recorded?.completedReport !== undefined) await sweepReports(store, recorded.completedReport);
  const { number } = await store.db
    .selectFrom("builds")
    .select("number")
    .where("id", "=", job.buildId)
    .executeTakeFirstOrThrow();
  return { ...job, number, message, id: job.buildId };
}
