import type {
  BuildLife,
  BuildRecord,
  JobRecord,
  PublishRecord,
} from "../../domain/life/records.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { BuildRow, JobRow, PublishRow } from "./schema.ts";
import type { Reader } from "./store.ts";

type Db = Pick<Reader, "db">;

/** A build with all that belongs to it, as decisions about its life want it. */
export async function lifeOf(tx: Db, row: BuildRow): Promise<BuildLife> {
  return {
    build: await buildRecord(tx, row),
    jobs: await jobsOf(tx, row.id),
    publishes: await publishesOf(tx, row.id),
    hasPackages: await hasPackages(tx, row.id),
  };
}

/** The life of the build that a publish belongs to; undefined: it is no build's. */
export async function lifeOfPublish(
  tx: Db,
  { buildId }: Pick<PublishRow, "buildId">,
): Promise<{ readonly row: BuildRow; readonly life: BuildLife } | undefined> {
  if (buildId === null) return undefined;
  const row = await tx.db
    .selectFrom("builds")
    .selectAll()
    .where("id", "=", buildId)
    .executeTakeFirst();
  return row && { row, life: await lifeOf(tx, row) };
}

export async function buildRecord(tx: Db, row: BuildRow): Promise<BuildRecord> {
  const { id, state, isReady, waitReason, cancelRequestedAt, startedAt } = row;
  const failureTitle =
    row.failureJson === null ? null : (JSON.parse(row.failureJson) as FailureCard).title;
  const supersededByNumber = await numberOf(tx, row.supersededBy);
  const facts = { id, state, isReady, waitReason, cancelRequestedAt, startedAt };
  return { ...facts, failureTitle, supersededByNumber };
}

async function numberOf({ db }: Db, buildId: string | null): Promise<number | null> {
  if (buildId === null) return null;
  const row = await db
    .selectFrom("builds")
    .select("number")
    .where("id", "=", buildId)
    .executeTakeFirst();
  return row?.number ?? null;
}

/** A build's jobs as they are now, in order; without what each is to do, which may be long. */
export async function jobsOf({ db }: Db, buildId: string): Promise<readonly JobRecord[]> {
  const rows = await db
    .selectFrom("jobs")
    .select(["id", "buildId", "name", "project", "kind", "state", "reason", "isBlocked"])
    .select(["attempt", "countedAttempts", "notBeforeAt", "queuedAt", "startedAt", "needsJson"])
    .select(["worker", "workerArch", "leaseTokenHash", "leaseExpiresAt", "goodbyeAt"])
    .select(({ eb }) => eb("specJson", "is not", null).as("isPlanned"))
    .where("buildId", "=", buildId)
    .orderBy("position")
    .execute();
  return rows.map(({ needsJson, isPlanned, ...facts }) => ({
    ...facts,
    needs: needsOf({ needsJson }),
    isPlanned: Boolean(isPlanned),
  }));
}

export function jobRecord(row: JobRow): JobRecord {
  const { needsJson, specJson, ...facts } = row;
  return { ...facts, needs: needsOf({ needsJson }), isPlanned: specJson !== null };
}

async function publishesOf({ db }: Db, buildId: string): Promise<readonly PublishRecord[]> {
  return await db.selectFrom("publishes").selectAll().where("buildId", "=", buildId).execute();
}

async function hasPackages({ db }: Db, buildId: string): Promise<boolean> {
  const row = await db
    .selectFrom("artifacts")
    .innerJoin("jobs", (join) =>
      join.onRef("jobs.id", "=", "artifacts.jobId").onRef("jobs.attempt", "=", "artifacts.attempt"),
    )
    .select("artifacts.sha256")
    .where("jobs.buildId", "=", buildId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Ids of the jobs that must have passed before. */
export function needsOf({ needsJson }: Pick<JobRow, "needsJson">): readonly string[] {
  return JSON.parse(needsJson) as string[];
}
