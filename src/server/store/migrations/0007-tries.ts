import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable("builds").addColumn("stepsJson", "text").execute();
  await schema
    .createTable("shells")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("buildId", "text", (column) => column.notNull().references("builds.id"))
    .addColumn("jobId", "text", (column) => column.notNull().references("jobs.id"))
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("step", "text", (column) => column.notNull())
    .addColumn("by", "text", (column) => column.notNull())
    .addColumn("startedAt", "bigint", (column) => column.notNull())
    .addColumn("endedAt", "bigint")
    .addColumn("exitCode", "integer")
    .addColumn("endReason", "text")
    .execute();
  await schema.createIndex("shellsByBuild").on("shells").columns(["buildId"]).execute();
}
