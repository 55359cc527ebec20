import type { Reader } from "./store.ts";

/** The RPMs of the attempts that count, and of which project they are. */
export async function packagesOf(tx: Pick<Reader, "db">, buildId: string) {
  return await tx.db
    .selectFrom("artifacts")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "artifacts.jobId").onRef("jobs.attempt", "=", "artifacts.attempt"),
    )
    .select([
      "fileName",
      "sha256",
      "sizeBytes",
      "artifacts.target as target",
      "jobs.id as jobId",
      "jobs.project as project",
    ])
    .where("jobs.buildId", "=", buildId)
    .orderBy("fileName")
    // Of what two jobs made under one name the publisher keeps the first: always the same job's.
    .orderBy("jobs.position")
    .execute();
}
