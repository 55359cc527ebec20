import { sql } from "kysely";
import type { ReportsMessage, TestResult } from "../../shared/build-messages.ts";
import type { Changed } from "./builds.ts";
import { insertRows } from "./insert-rows.ts";
import { runningJob, type Lease } from "./leases.ts";
import type { TestReportRow, TestFailureRow, TestRow, TestRunRow } from "./test-tables.ts";
import type { Store, Tx } from "./store.ts";
import { completeReport } from "./test-completion.ts";
import { branchOfBuild, FAILED_CODE_MIN, RETRIED_CODE, stateCode, testIdOf } from "./test-ids.ts";

/** Results of one transaction: others wait no longer than it takes. */
const CHUNK_TESTS = 500;
export const BUILD_TESTS_MAX = 100_000;

/**
 * Records one part of what a step's reports say. A part that came before changes nothing. Undefined:
 * the caller is stale.
 */
export async function recordReports(
  store: Store,
  lease: Lease,
  step: string,
  message: ReportsMessage,
): Promise<(Changed & { readonly completedReport?: number }) | undefined> {
  const opened = await store.write((tx) => openReport(tx, lease, step, message.part));
  if (opened === undefined) return undefined;
  const { report, isKnown, room } = opened;
  const { buildId } = report;
  if (isKnown) return { buildId };
  const tests = message.tests.slice(0, room);
  for (let at = 0; at < tests.length; at += CHUNK_TESTS) {
    const chunk = tests.slice(at, at + CHUNK_TESTS);
    await store.write((tx) => insertResults(tx, report, chunk));
  }
  const isCut = tests.length < message.tests.length;
  await store.write((tx) => closePart(tx, report, message, { received: tests.length, isCut }));
  return { buildId, ...(message.isLast ? { completedReport: report.id } : {}) };
}

async function openReport(tx: Tx, lease: Lease, step: string, part: number) {
  const job = await runningJob(tx, lease.jobId, lease.token);
  if (job === undefined) return undefined;
  const { id: jobId, attempt, buildId, project } = job;
  const known = await tx.db
    .selectFrom("testReports")
    .selectAll()
    .where("jobId", "=", jobId)
    .where("attempt", "=", attempt)
    .where("step", "=", step)
    .executeTakeFirst();
  const report = known ?? (await insertReport(tx, { jobId, attempt, buildId, project, step }));
  const isKnown = await tx.db
    .selectFrom("testReportParts")
    .select("part")
    .where("reportId", "=", report.id)
    .where("part", "=", part)
    .executeTakeFirst();
  const { received } = await tx.db
    .selectFrom("testReports")
    .select(sql<number>`coalesce(sum(received), 0)`.as("received"))
    .where("buildId", "=", buildId)
    .executeTakeFirstOrThrow();
  return { report, isKnown: isKnown !== undefined, room: Math.max(0, BUILD_TESTS_MAX - received) };
}

async function insertReport(
  tx: Tx,
  place: Pick<TestReportRow, "jobId" | "attempt" | "buildId" | "project" | "step">,
): Promise<TestReportRow> {
  const build = await tx.db
    .selectFrom("builds")
    .select(["repo", "ref", "number", "sha"])
    .where("id", "=", place.buildId)
    .executeTakeFirstOrThrow();
  const step = await tx.db
    .selectFrom("steps")
    .select("title")
    .where("jobId", "=", place.jobId)
    .where("attempt", "=", place.attempt)
    .where("name", "=", place.step)
    .executeTakeFirst();
  const { newest } = await tx.db
    .selectFrom("testReports")
    .select(({ fn }) => fn.max<number | null>("id").as("newest"))
    .executeTakeFirstOrThrow();
  const report: TestReportRow = {
    id: (newest ?? 0) + 1,
    ...place,
    title: step?.title ?? place.step,
    repo: build.repo,
    branch: branchOfBuild(build),
    number: build.number,
    sha: build.sha,
    createdAt: tx.now(),
    isComplete: 0,
    received: 0,
    passed: 0,
    failed: 0,
    errored: 0,
    skipped: 0,
    durationMs: 0,
    linesCovered: null,
    linesTotal: null,
    filesJson: "[]",
    problemsJson: "[]",
    changesJson: null,
    sweptAt: null,
  };
  await tx.db.insertInto("testReports").values(report).execute();
  return report;
}

const OR_NOTHING = "on conflict do nothing";

/** Runners that repeat a test list it again: the worse result counts, and two kinds are a retry. */
const WORSE_COUNTS = `on conflict ("testId", "reportId") do update set
  "isRetried" = case when ("testRuns".state in (1, 2) and excluded.state > 2)
    or ("testRuns".state > 2 and excluded.state in (1, 2)) then 1
    when excluded."isRetried" > "testRuns"."isRetried" then 1 else "testRuns"."isRetried" end,
  state = case when excluded.state > "testRuns".state then excluded.state else "testRuns".state end`;

/** Two results of one test in one go, by the same rule. */
function together(known: TestRunRow | undefined, run: TestRunRow): TestRunRow {
  if (known === undefined) return run;
  const [better, worse] = [Math.min(known.state, run.state), Math.max(known.state, run.state)];
  const isMixed = better > 0 && better < FAILED_CODE_MIN && worse >= FAILED_CODE_MIN;
  const isRetried = isMixed ? 1 : Math.max(known.isRetried, run.isRetried);
  return { ...known, state: Math.max(known.state, run.state), isRetried };
}

/** Writing the same results again leaves them as they are. */
async function insertResults(
  tx: Tx,
  report: TestReportRow,
  results: readonly TestResult[],
): Promise<void> {
  const { id: reportId, repo, project, step, number: firstNumber } = report;
  const tests = new Map<string, TestRow>();
  const runs = new Map<string, TestRunRow>();
  const failures: TestFailureRow[] = [];
  for (const result of results) {
    const { suite, className, name, file, line, message, details, durationMs } = result;
    const testId = testIdOf(report, result);
    tests.set(testId, {
      id: testId,
      repo,
      project,
      step,
      suite,
      className,
      name,
      file,
      firstNumber,
    });
    const isRetried = result.state === "passed" && message !== "" ? 1 : 0;
    const state = isRetried === 1 ? RETRIED_CODE : stateCode(result.state);
    const run = { testId, reportId, state, isRetried, durationMs };
    runs.set(testId, together(runs.get(testId), run));
    if (message !== "" || details !== "") {
      failures.push({ reportId, testId, message, details, file, line });
    }
  }
  await insertRows(tx, "tests", [...tests.values()], OR_NOTHING);
  await insertRows(tx, "testRuns", [...runs.values()], WORSE_COUNTS);
  await insertRows(tx, "testFailures", failures, OR_NOTHING);
}

async function closePart(
  tx: Tx,
  report: TestReportRow,
  message: ReportsMessage,
  { received, isCut }: { readonly received: number; readonly isCut: boolean },
): Promise<void> {
  const isNew = await tx.db
    .insertInto("testReportParts")
    .values({ reportId: report.id, part: message.part })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (isNew.numInsertedOrUpdatedRows !== 1n) return;
  await tx.db
    .updateTable("testReports")
    .set(({ eb }) => ({ received: eb("received", "+", received) }))
    .where("id", "=", report.id)
    .execute();
  if (!message.isLast) return;
  const problems = isCut
    ? [...message.problems, "a build may have 100,000 tests: the rest is left out"]
    : message.problems;
  await completeReport(tx, report, { ...message, problems });
}
