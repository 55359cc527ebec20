import { sql, type Kysely } from "kysely";

/** Never edited once released: a change is a migration of its own. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  // Each push counts what of its repo waits: read off the index, not from a row for each build.
  await schema.dropIndex("buildsByRepo").execute();
  await schema
    .createIndex("buildsByRepo")
    .on("builds")
    .columns(["repo", "state", "waitReason"])
    .execute();
  // And asks which builds of its ref it may end: those that are under way, and known well enough.
  await schema
    .createIndex("buildsToSupersede")
    .on("builds")
    .columns(["repo", "ref", "number"])
    .where(sql<boolean>`"state" in ('queued', 'running')`)
    .where(sql<boolean>`("pipelineJson" is not null or "waitReason" is not null)`)
    .execute();
}
