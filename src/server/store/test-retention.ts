import { sql } from "kysely";
import { HISTORY_RUNS_MAX } from "../../domain/test-history.ts";
import type { TestReportRow } from "./test-tables.ts";
import type { Reader, Store, Tx } from "./store.ts";

const ROWS_AT_ONCE = 2_000;
const STALE_MS = 90 * 24 * 60 * 60 * 1_000;
const STALE_AT_ONCE = 20;

/**
 * After a report: of its step and branch the newest 30 keep their runs, and branches that nobody
 * builds any more lose theirs. Sums and coverage stay. Done in pieces, so that nobody waits for it.
 */
export async function sweepReports(store: Store, reportId: number): Promise<void> {
  const report = await store.db
    .selectFrom("testReports")
    .selectAll()
    .where("id", "=", reportId)
    .executeTakeFirst();
  if (report === undefined) return;
  for (const id of [...(await beyondHistory(store, report)), ...(await stale(store, report))]) {
    while (await store.write((tx) => deleteSomeRuns(tx, id)));
    await store.write(async (tx) => {
      await tx.db
        .updateTable("testReports")
        .set({ sweptAt: tx.now() })
        .where("id", "=", id)
        .execute();
    });
  }
}

async function beyondHistory({ db }: Reader, report: TestReportRow): Promise<readonly number[]> {
  const rows = await db
    .selectFrom("testReports")
    .select("id")
    .where("repo", "=", report.repo)
    .where("branch", "=", report.branch)
    .where("project", "=", report.project)
    .where("step", "=", report.step)
    .where("sweptAt", "is", null)
    .orderBy("number", "desc")
    .offset(HISTORY_RUNS_MAX)
    .limit(STALE_AT_ONCE)
    .execute();
  return rows.map(({ id }) => id);
}

/** Of other branches; this one is alive. */
async function stale({ db, now }: Reader, report: TestReportRow): Promise<readonly number[]> {
  const rows = await db
    .selectFrom("testReports")
    .innerJoin("repos", "repos.name", "testReports.repo")
    .select("testReports.id")
    .where("repo", "=", report.repo)
    .where("branch", "!=", report.branch)
    .where(({ or, eb }) =>
      or([
        eb("repos.defaultBranch", "is", null),
        eb("branch", "!=", sql<string>`'refs/heads/' || "repos"."defaultBranch"`),
      ]),
    )
    .where("testReports.createdAt", "<", now() - STALE_MS)
    .where("sweptAt", "is", null)
    .limit(STALE_AT_ONCE)
    .execute();
  return rows.map(({ id }) => id);
}

/** A report and all that it holds, at once: those of broken attempts are short. */
export async function deleteReport(tx: Tx, id: number): Promise<void> {
  while (await deleteSomeRuns(tx, id));
  await tx.db.deleteFrom("testReports").where("id", "=", id).execute();
}

/** False: nothing is left. A test that no report names any more goes with its last run. */
async function deleteSomeRuns({ db }: Tx, reportId: number): Promise<boolean> {
  const rows = await db
    .selectFrom("testRuns")
    .select("testId")
    .where("reportId", "=", reportId)
    .limit(ROWS_AT_ONCE)
    .execute();
  if (rows.length === 0) {
    await db.deleteFrom("testFailures").where("reportId", "=", reportId).execute();
    await db.deleteFrom("testReportParts").where("reportId", "=", reportId).execute();
    return false;
  }
  const ids = rows.map(({ testId }) => testId);
  await db
    .deleteFrom("testRuns")
    .where("reportId", "=", reportId)
    .where("testId", "in", ids)
    .execute();
  await db
    .deleteFrom("tests")
    .where("id", "in", ids)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("testRuns")
            .select(sql`1`.as("one"))
            .whereRef("testRuns.testId", "=", "tests.id"),
        ),
      ),
    )
    .execute();
  return true;
}
