import { sql, type Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable("outbox").addColumn("terminalAt", "bigint").execute();
  // Nobody wrote down when: at the earliest, when it was wanted.
  await sql`update outbox set "terminalAt" = "updatedAt" where "terminalReason" is not null`.execute(
    db,
  );
  await schema
    .createIndex("outboxRefused")
    .on("outbox")
    .columns(["terminalAt"])
    .where(sql.ref("terminalAt"), "is not", null)
    .execute();
  // What was refused for good waits for nothing, and is read over by every page otherwise.
  await schema.dropIndex("outboxWaiting").execute();
  await schema
    .createIndex("outboxWaiting")
    .on("outbox")
    .columns(["forge", "updatedAt"])
    .where(sql.ref("version"), ">", sql.ref("sentVersion"))
    .where(sql.ref("terminalReason"), "is", null)
    .execute();
}
