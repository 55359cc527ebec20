import type { LostAttempt } from "../../domain/life/records.ts";
import type { LostAttemptView } from "../views.ts";
import type { Reader, Tx } from "./store.ts";

/** Of one that is handed back again and again, only the newest are told. */
const KEPT_MAX = 20;

export async function keepLostAttempt(tx: Tx, jobId: string, lost: LostAttempt): Promise<void> {
  await tx.db
    .insertInto("lostAttempts")
    .values({ jobId, ...lost, endedAt: tx.now() })
    .execute();
  await tx.db
    .deleteFrom("lostAttempts")
    .where("jobId", "=", jobId)
    .where("attempt", "<=", lost.attempt - KEPT_MAX)
    .execute();
}

/** Of all jobs of a build, by the job's id, the oldest first. */
export async function lostAttemptsOf(
  { db }: Reader,
  buildId: string,
): Promise<ReadonlyMap<string, readonly LostAttemptView[]>> {
  const lost = await db
    .selectFrom("lostAttempts")
    .innerJoin("jobs", "jobs.id", "lostAttempts.jobId")
    .selectAll("lostAttempts")
    .where("jobs.buildId", "=", buildId)
    .orderBy("lostAttempts.attempt")
    .execute();
  if (lost.length === 0) return new Map();
  const begun = await db
    .selectFrom("steps")
    .innerJoin("jobs", "jobs.id", "steps.jobId")
    .select(["steps.jobId", "steps.attempt", "steps.name"])
    .where("jobs.buildId", "=", buildId)
    .where("steps.startedAt", "is not", null)
    .orderBy("steps.position")
    .execute();
  const views = lost.map(({ jobId, attempt, kind, reason, worker, endedAt }) => ({
    jobId,
    view: {
      attempt,
      isHandedBack: kind === "handed-back",
      reason,
      worker,
      endedAt,
      steps: begun
        .filter((step) => step.jobId === jobId && step.attempt === attempt)
        .map(({ name }) => name),
    },
  }));
  const byJob = Map.groupBy(views, ({ jobId }) => jobId);
  return new Map([...byJob].map(([id, some]) => [id, some.map(({ view }) => view)]));
}
