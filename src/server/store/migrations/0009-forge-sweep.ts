import { sql, type Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable("deliveries").addColumn("foundBy", "text").execute();
  await schema.alterTable("deliveries").addColumn("matchedBy", "text").execute();
  await schema
    .createIndex("deliveriesByRepo")
    .on("deliveries")
    .columns(["repo", "receivedAt"])
    .execute();
  await schema
    .createIndex("deliveriesFound")
    .on("deliveries")
    .columns(["repo", "ref", "after"])
    .where(sql.ref("foundBy"), "is not", null)
    .execute();

  await schema
    .createTable("looks")
    .addColumn("repo", "text", (column) => column.primaryKey())
    .addColumn("firstAt", "bigint", (column) => column.notNull())
    .addColumn("lastAt", "bigint", (column) => column.notNull())
    .execute();
  await schema
    .createTable("seenHeads")
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("ref", "text", (column) => column.notNull())
    .addColumn("sha", "text", (column) => column.notNull())
    .addColumn("seenAt", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("seenHeadsByRef", ["repo", "ref"])
    .execute();
  await schema
    .createTable("missedDeliveries")
    .addColumn("deliveryId", "text", (column) => column.primaryKey())
    .addColumn("repo", "text", (column) => column.notNull())
    .addColumn("event", "text", (column) => column.notNull())
    .addColumn("foundAt", "bigint", (column) => column.notNull())
    .addColumn("recoveredAt", "bigint")
    .execute();

  await schema
    .alterTable("outbox")
    .addColumn("doubtUntilAt", "bigint", (column) => column.notNull().defaultTo(0))
    .execute();
  await schema.alterTable("outbox").addColumn("checkAt", "bigint").execute();
  await schema
    .alterTable("outbox")
    .addColumn("waitsForForge", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await schema
    .createIndex("outboxToCheck")
    .on("outbox")
    .columns(["checkAt"])
    .where(sql.ref("checkAt"), "is not", null)
    .execute();
  await schema
    .createIndex("outboxWaitingForForge")
    .on("outbox")
    .columns(["forge", "updatedAt"])
    .where(sql.ref("waitsForForge"), "=", sql.lit(1))
    .execute();
}
