import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("testReports")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("buildId", "text", (column) => column.notNull().references("builds.id"))
    .addColumn("jobId", "text", (column) => column.notNull())
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("step", "text", (column) => column.notNull())
    .addColumn("title", "text", (column) => column.notNull())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("project", "text", (column) => column.notNull())
    .addColumn("branch", "text", (column) => column.notNull())
    .addColumn("number", "integer", (column) => column.notNull())
    .addColumn("sha", "text")
    .addColumn("createdAt", "bigint", (column) => column.notNull())
    .addColumn("isComplete", "integer", (column) => column.notNull())
    .addColumn("received", "integer", (column) => column.notNull())
    .addColumn("passed", "integer", (column) => column.notNull())
    .addColumn("failed", "integer", (column) => column.notNull())
    .addColumn("errored", "integer", (column) => column.notNull())
    .addColumn("skipped", "integer", (column) => column.notNull())
    .addColumn("durationMs", "bigint", (column) => column.notNull())
    .addColumn("linesCovered", "bigint")
    .addColumn("linesTotal", "bigint")
    .addColumn("filesJson", "text", (column) => column.notNull())
    .addColumn("problemsJson", "text", (column) => column.notNull())
    .addColumn("changesJson", "text")
    .addColumn("sweptAt", "bigint")
    .addUniqueConstraint("testReportsByStep", ["jobId", "attempt", "step"])
    .execute();
  await schema
    .createIndex("testReportsByBranch")
    .on("testReports")
    .columns(["repo", "branch", "number"])
    .execute();
  await schema.createIndex("testReportsByBuild").on("testReports").columns(["buildId"]).execute();

  await schema
    .createTable("testReportParts")
    .addColumn("reportId", "integer", (column) => column.notNull())
    .addColumn("part", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("testReportPartsKey", ["reportId", "part"])
    .execute();

  await schema
    .createTable("tests")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("project", "text", (column) => column.notNull())
    .addColumn("step", "text", (column) => column.notNull())
    .addColumn("suite", "text", (column) => column.notNull())
    .addColumn("className", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("file", "text")
    .addColumn("firstNumber", "integer", (column) => column.notNull())
    .execute();

  await schema
    .createTable("testRuns")
    .addColumn("testId", "text", (column) => column.notNull())
    .addColumn("reportId", "integer", (column) => column.notNull())
    .addColumn("state", "integer", (column) => column.notNull())
    .addColumn("isRetried", "integer", (column) => column.notNull())
    .addColumn("durationMs", "double precision")
    .addPrimaryKeyConstraint("testRunsKey", ["testId", "reportId"])
    .execute();
  await schema
    .createIndex("testRunsByReport")
    .on("testRuns")
    .columns(["reportId", "state", "testId", "durationMs"])
    .execute();

  await schema
    .createTable("testFailures")
    .addColumn("reportId", "integer", (column) => column.notNull())
    .addColumn("testId", "text", (column) => column.notNull())
    .addColumn("message", "text", (column) => column.notNull())
    .addColumn("details", "text", (column) => column.notNull())
    .addColumn("file", "text")
    .addColumn("line", "integer")
    .addPrimaryKeyConstraint("testFailuresKey", ["reportId", "testId"])
    .execute();
}
