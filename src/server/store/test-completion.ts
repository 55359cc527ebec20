import { sql } from "kysely";
import type { ReportsMessage } from "../../shared/build-messages.ts";
import type { TestReportRow } from "./test-tables.ts";
import type { Tx } from "./store.ts";
import { stateOfCode } from "./test-ids.ts";
import { deleteReport } from "./test-retention.ts";

/** What a report has that the one before it had not, and the other way round. */
export interface TestChanges {
  /** Number of the build that it is compared with. */
  readonly against: number;
  readonly added: number;
  readonly gone: number;
  /** Ids of some of them. */
  readonly addedIds: readonly string[];
  readonly goneIds: readonly string[];
}

const NAMED_CHANGES_MAX = 50;

/** All parts are there: sums, and what changed since the build before. */
export async function completeReport(
  tx: Tx,
  report: TestReportRow,
  { files, problems, coverage }: Pick<ReportsMessage, "files" | "problems" | "coverage">,
): Promise<void> {
  await forgetEarlierAttempts(tx, report);
  const sums = await sumsOf(tx, report.id);
  const changes = await changesOf(tx, report);
  await tx.db
    .updateTable("testReports")
    .set({
      ...sums,
      isComplete: 1,
      linesCovered: coverage?.linesCovered ?? null,
      linesTotal: coverage?.linesTotal ?? null,
      filesJson: JSON.stringify(files),
      problemsJson: JSON.stringify(problems),
      changesJson: changes === null ? null : JSON.stringify(changes),
    })
    .where("id", "=", report.id)
    .execute();
}

/** An attempt that we broke off has told only part of it; its history is that of the next one. */
async function forgetEarlierAttempts(tx: Tx, { jobId, step, attempt }: TestReportRow) {
  const earlier = await tx.db
    .selectFrom("testReports")
    .select("id")
    .where("jobId", "=", jobId)
    .where("step", "=", step)
    .where("attempt", "<", attempt)
    .execute();
  for (const { id } of earlier) await deleteReport(tx, id);
}

async function sumsOf({ db }: Pick<Tx, "db">, reportId: number) {
  const rows = await db
    .selectFrom("testRuns")
    .select(({ fn }) => [
      "state",
      fn.countAll<number>().as("tests"),
      sql<number>`coalesce(sum("durationMs"), 0)`.as("durationMs"),
    ])
    .where("reportId", "=", reportId)
    .groupBy("state")
    .execute();
  const of = (state: ReturnType<typeof stateOfCode>): number =>
    rows.reduce((sum, row) => sum + (stateOfCode(row.state) === state ? row.tests : 0), 0);
  const durationMs = Math.round(rows.reduce((sum, row) => sum + row.durationMs, 0));
  return {
    passed: of("passed"),
    failed: of("failed"),
    errored: of("errored"),
    skipped: of("skipped"),
    durationMs,
  };
}

async function changesOf(tx: Tx, report: TestReportRow): Promise<TestChanges | null> {
  const before = await tx.db
    .selectFrom("testReports")
    .select(["id", "number"])
    .where("repo", "=", report.repo)
    .where("branch", "=", report.branch)
    .where("project", "=", report.project)
    .where("step", "=", report.step)
    .where("number", "<", report.number)
    .where("isComplete", "=", 1)
    .where("sweptAt", "is", null)
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  if (before === undefined) return null;
  const added = await onlyIn(tx, report.id, before.id);
  const gone = await onlyIn(tx, before.id, report.id);
  const some = (ids: readonly string[]): readonly string[] => ids.slice(0, NAMED_CHANGES_MAX);
  return {
    against: before.number,
    added: added.length,
    gone: gone.length,
    addedIds: some(added),
    goneIds: some(gone),
  };
}

async function onlyIn({ db }: Pick<Tx, "db">, reportId: number, otherId: number) {
  const rows = await db
    .selectFrom("testRuns")
    .select("testId")
    .where("reportId", "=", reportId)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("testRuns as other")
            .select(sql`1`.as("one"))
            .whereRef("other.testId", "=", "testRuns.testId")
            .where("other.reportId", "=", otherId),
        ),
      ),
    )
    .execute();
  return rows.map(({ testId }) => testId);
}
