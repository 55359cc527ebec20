import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("keptFiles")
    .addColumn("buildId", "text", (column) => column.notNull().references("builds.id"))
    .addColumn("jobId", "text", (column) => column.notNull().references("jobs.id"))
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("step", "text", (column) => column.notNull())
    .addColumn("path", "text", (column) => column.notNull())
    .addColumn("sha256", "text", (column) => column.notNull())
    .addColumn("sizeBytes", "bigint", (column) => column.notNull())
    .addColumn("isExecutable", "integer", (column) => column.notNull())
    .addColumn("expiresAt", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("keptFilesKey", ["jobId", "attempt", "step", "path"])
    .execute();
  await schema.createIndex("keptFilesByBuild").on("keptFiles").columns(["buildId"]).execute();
  await schema.createIndex("keptFilesByExpiry").on("keptFiles").columns(["expiresAt"]).execute();
  await schema.createIndex("keptFilesByContent").on("keptFiles").columns(["sha256"]).execute();
  await schema.createIndex("artifactsByContent").on("artifacts").columns(["sha256"]).execute();
}
