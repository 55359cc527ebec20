import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("lostAttempts")
    .addColumn("jobId", "text", (column) => column.notNull())
    .addColumn("attempt", "integer", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("worker", "text")
    .addColumn("endedAt", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("lostAttemptsKey", ["jobId", "attempt"])
    .execute();
}
