import { sql, type Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable("builds").addColumn("logsRemovedAt", "bigint").execute();
  await schema.alterTable("builds").addColumn("filesGoneAt", "bigint").execute();
  // What is old and has its files, and what is on its way out; all that ever was is not read for it.
  await schema
    .createIndex("buildsWithLogs")
    .on("builds")
    .columns(["createdAt", "id"])
    .where(sql.ref("logsRemovedAt"), "is", null)
    .execute();
  await schema
    .createIndex("buildsToEmpty")
    .on("builds")
    .columns(["logsRemovedAt"])
    .where(sql.ref("logsRemovedAt"), "is not", null)
    .where(sql.ref("filesGoneAt"), "is", null)
    .execute();
  await schema
    .createIndex("buildsCompared")
    .on("builds")
    .columns(["compareWith"])
    .where(sql.ref("compareWith"), "is not", null)
    .execute();
}
