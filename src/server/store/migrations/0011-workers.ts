import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("workers")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("arch", "text")
    .addColumn("version", "text")
    .addColumn("slots", "integer")
    .addColumn("protocolLowest", "integer", (column) => column.notNull())
    .addColumn("protocolHighest", "integer", (column) => column.notNull())
    .addColumn("firstSeenAt", "bigint", (column) => column.notNull())
    .addColumn("seenAt", "bigint", (column) => column.notNull())
    .addColumn("drainingAt", "bigint")
    .addColumn("drainUntilAt", "bigint")
    .addColumn("drainNote", "text")
    .execute();
}
