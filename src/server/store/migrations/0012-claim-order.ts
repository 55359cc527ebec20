import type { Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  // Twenty thousand may wait: whose turn it is must be read off, not sorted out, at every claim.
  await schema
    .createIndex("jobsInLine")
    .on("jobs")
    .columns(["state", "isBlocked", "priority desc", "queuedAt"])
    .execute();
}
