import type { CoverageView, StepTests, TestsSummary, TestSums } from "../test-views.ts";
import type { TestReportRow } from "./test-tables.ts";
import type { Reader } from "./store.ts";
import type { TestChanges } from "./test-completion.ts";

export function sumsOf({ passed, failed, errored, skipped, durationMs }: TestReportRow): TestSums {
  return { passed, failed, errored, skipped, durationMs };
}

export function addedUp(all: readonly TestSums[]): TestSums {
  const sum = (of: keyof TestSums): number => all.reduce((total, one) => total + one[of], 0);
  return {
    passed: sum("passed"),
    failed: sum("failed"),
    errored: sum("errored"),
    skipped: sum("skipped"),
    durationMs: sum("durationMs"),
  };
}

export function summaryOfReports(
  reports: readonly TestReportRow[],
  coverage: CoverageView | null,
): TestsSummary {
  return { ...addedUp(reports.map(sumsOf)), coverage, steps: reports.map(stepTests) };
}

function stepTests(report: TestReportRow): StepTests {
  const { jobId, step, title, filesJson, problemsJson, changesJson, sweptAt } = report;
  const changes = changesJson === null ? null : (JSON.parse(changesJson) as TestChanges);
  return {
    jobId,
    step,
    title,
    ...sumsOf(report),
    files: JSON.parse(filesJson) as string[],
    problems: JSON.parse(problemsJson) as string[],
    changes: changes && { against: changes.against, added: changes.added, gone: changes.gone },
    isSwept: sweptAt !== null,
  };
}

/** Of all steps together, and of the same steps in the newest build before. */
export async function coverageOf(
  { db }: Reader,
  reports: readonly TestReportRow[],
): Promise<CoverageView | null> {
  const told = reports.filter(({ linesTotal }) => linesTotal !== null);
  const [first] = told;
  if (first === undefined) return null;
  const earlier = await db
    .selectFrom("testReports")
    .select(["number", "step", "project", "linesCovered", "linesTotal"])
    .where("repo", "=", first.repo)
    .where("branch", "=", first.branch)
    .where("number", "<", first.number)
    .where("isComplete", "=", 1)
    .where("linesTotal", "is not", null)
    .orderBy("number", "desc")
    .limit(told.length)
    .execute();
  const [newest] = earlier;
  const before = earlier.filter(({ number }) => number === newest?.number);
  return { ...linesOf(told), before: before.length === 0 ? null : linesOf(before) };
}

function linesOf(rows: readonly Pick<TestReportRow, "linesCovered" | "linesTotal">[]) {
  const sum = (of: "linesCovered" | "linesTotal"): number =>
    rows.reduce((all, row) => all + (row[of] ?? 0), 0);
  return { linesCovered: sum("linesCovered"), linesTotal: sum("linesTotal") };
}
