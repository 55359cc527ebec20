import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable("jobs").addColumn("goodbyeAt", "bigint").execute();
  await schema.alterTable("jobs").addColumn("returnJson", "text").execute();
}
