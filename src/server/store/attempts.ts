import { giveUpWaiting, loseAttempt as decideLoss, type Loss } from "../../domain/life/job-ends.ts";
import { isLeaseOver, lossOfLease } from "../../domain/life/lease.ts";
import type { BuildLife, JobRecord, Verdict } from "../../domain/life/records.ts";
import { findBuild } from "./builds.ts";
import type { Changed } from "./changed.ts";
import { jobRecord, lifeOf } from "./life-records.ts";
import { runningJob } from "./leases.ts";
import type { JobRow } from "./schema.ts";
import { carryOut } from "./settle.ts";
import type { Tx } from "./store.ts";
import { hasRefLeft } from "./supersede.ts";

/** Asks what becomes of a job and its build, and writes it down. */
export async function decideOnJob(
  tx: Tx,
  row: JobRow,
  decide: (life: BuildLife, job: JobRecord, now: number) => Verdict,
): Promise<Changed> {
  const build = await findBuild(tx, row.buildId);
  if (build === undefined) return { buildId: row.buildId };
  const life = await lifeOf(tx, build);
  return await carryOut(tx, build, decide(life, jobRecord(row), tx.now()));
}

/** The attempt ended without a result: the job is queued again, or the build ends `errored`. */
export async function loseAttempt(tx: Tx, job: JobRow, loss: Loss): Promise<Changed> {
  return await decideOnJob(tx, job, (life, record, now) => decideLoss(life, record, loss, now));
}

/** As above, and nobody can say how its open steps went on: their logs end where they are. */
export async function loseWithItsWorker(tx: Tx, job: JobRow, loss: Loss): Promise<Changed> {
  const { id: jobId, buildId, attempt } = job;
  const open = await tx.db
    .selectFrom("steps")
    .select("name")
    .where("jobId", "=", jobId)
    .where("attempt", "=", attempt)
    .where("state", "=", "running")
    .execute();
  const changed = await loseAttempt(tx, job, loss);
  const lostLogs = open.map(({ name: step }) => ({ buildId, jobId, attempt, step }));
  return { ...changed, lostLogs };
}

/** A worker could not find out. It says so under its lease. */
export async function reportFault(
  tx: Tx,
  jobId: string,
  token: string,
  { refTip, ...fault }: Fault,
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  if (job === undefined) return undefined;
  const isForGood = refTip !== undefined && (await hasRefLeft(tx, job.buildId, refTip));
  return await loseAttempt(tx, job, { kind: "infra-fault", ...fault, isForGood });
}

interface Fault extends Pick<Loss, "code" | "message" | "step"> {
  readonly refTip?: string | null | undefined;
}

/** A worker that stops gives its job back; the attempt does not count. */
export async function handBackJob(
  tx: Tx,
  jobId: string,
  token: string,
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  const why = { code: "WORKER_LOST", message: "its worker was stopped", step: null } as const;
  return job && (await loseAttempt(tx, job, { kind: "handed-back", ...why }));
}

/** Attempts whose lease has run out are lost. */
export async function expireLeases(tx: Tx, now = tx.now()): Promise<readonly Changed[]> {
  const expired = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "running")
    .where("leaseExpiresAt", "<=", now)
    .execute();
  const changes: Changed[] = [];
  for (const job of expired) {
    if (!isLeaseOver(job, now)) continue;
    const kind = lossOfLease(job);
    const what = kind === "worker-lost" ? "was lost" : "did not come back";
    const loss = { ...lostWorker(`worker ${job.worker ?? ""} ${what}`), kind };
    changes.push(await loseWithItsWorker(tx, job, loss));
  }
  return changes;
}

function lostWorker(message: string): Loss {
  return { kind: "worker-lost", code: "WORKER_LOST", message, step: null };
}

/**
 * Jobs that waited too long for any worker end `errored`, so that nothing waits for ever. The next
 * attempt of a job has waited only since the last one was lost.
 */
export async function expireQueuedJobs(tx: Tx, waitMs: number): Promise<readonly Changed[]> {
  const stuck = await tx.db
    .selectFrom("jobs")
    .select("id")
    .where("state", "=", "queued")
    // What waits for other jobs, or for approval, is nobody's to take.
    .where("isBlocked", "=", 0)
    .where("buildId", "not in", (builds) =>
      builds.selectFrom("builds").select("builds.id").where("waitReason", "is not", null),
    )
    .where("queuedAt", "<", tx.now() - waitMs)
    .where("notBeforeAt", "<", tx.now() - waitMs)
    .execute();
  const changes: Changed[] = [];
  for (const { id } of stuck) {
    // As it is now: the end of one may have skipped the next.
    const job = await tx.db.selectFrom("jobs").selectAll().where("id", "=", id).executeTakeFirst();
    if (job === undefined) continue;
    const giveUp = (life: BuildLife, record: JobRecord, now: number): Verdict =>
      giveUpWaiting(life, record, { now, waitMs });
    changes.push(await decideOnJob(tx, job, giveUp));
  }
  return changes;
}
