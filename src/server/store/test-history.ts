import { cutText } from "../../domain/log-text.ts";
import { failingSince, HISTORY_RUNS_MAX, type TestRun } from "../../domain/test-history.ts";
import { testTitle } from "../../domain/test-failure.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import { inChunks } from "./chunks.ts";
import type { JobRow } from "./schema.ts";
import type { Reader } from "./store.ts";
import { FAILED_CODE_MIN, stateOfCode } from "./test-ids.ts";

/** A run and what it took. */
export interface PastRun extends TestRun {
  readonly durationMs: number | null;
}

/**
 * The last 30 runs of tests on one branch, oldest first, up to a build; those of later builds are
 * another page's.
 */
export async function historyOf(
  { db }: Pick<Reader, "db">,
  testIds: Iterable<string>,
  { branch, upTo }: { readonly branch: string; readonly upTo: number },
): Promise<ReadonlyMap<string, readonly PastRun[]>> {
  const rows = await inChunks(testIds, (chunk) =>
    db
      .selectFrom("testRuns")
      .innerJoin("testReports", "testReports.id", "testRuns.reportId")
      .select(["testId", "number", "sha", "state", "isRetried", "testRuns.durationMs"])
      .where("testId", "in", chunk)
      .where("branch", "=", branch)
      .where("number", "<=", upTo)
      .where("isComplete", "=", 1)
      .orderBy("number")
      .execute(),
  );
  const runs = new Map<string, PastRun[]>();
  for (const { testId, number, sha, state, isRetried, durationMs } of rows) {
    const run = { number, sha, durationMs, state: stateOfCode(state), isRetried: isRetried === 1 };
    const known = runs.get(testId);
    if (known === undefined) runs.set(testId, [run]);
    else known.push(run);
  }
  return new Map([...runs].map(([id, all]) => [id, all.slice(-HISTORY_RUNS_MAX)]));
}

/**
 * The card of a job that ended, with the build since which its test fails. Cards that no report made,
 * and tests that fail for the first time, stay as they are.
 */
export async function withHistory(
  { db }: Pick<Reader, "db">,
  job: Pick<JobRow, "id" | "attempt">,
  card: FailureCard | null,
): Promise<FailureCard | null> {
  if (card === null || card.evidence !== "report" || card.newSince != null) return card;
  const failed = await db
    .selectFrom("testRuns")
    .innerJoin("testReports", "testReports.id", "testRuns.reportId")
    .innerJoin("tests", "tests.id", "testRuns.testId")
    .select(["testId", "tests.className", "tests.name", "title", "branch", "number"])
    .where("jobId", "=", job.id)
    .where("attempt", "=", job.attempt)
    .where("isComplete", "=", 1)
    .where("state", ">=", FAILED_CODE_MIN)
    .limit(1_000)
    .execute();
  const blamed = failed.find((test) => isAbout(card, test.title, testTitle(test)));
  if (blamed === undefined) return card;
  const { branch, number } = blamed;
  const history = await historyOf({ db }, [blamed.testId], { branch, upTo: number });
  const since = failingSince(history.get(blamed.testId) ?? []);
  return since === undefined || since === number ? card : { ...card, newSince: since };
}

/** The worker named the test by step and title. */
function isAbout({ title }: FailureCard, step: string, test: string): boolean {
  return title === cutText(`${step} > ${test}`, 1_000) || title.endsWith(` > ${test}`);
}
