import { z } from "zod";
import { lossOfLease } from "../../domain/life/lease.ts";
import { goodbyeOfWorker, returnOfWorker } from "../../domain/life/return-of-worker.ts";
import { isFinal } from "../../domain/states.ts";
import type { HeldAttempt } from "../../shared/worker-messages.ts";
import { loseWithItsWorker } from "./attempts.ts";
import { findBuild, type Changed } from "./builds.ts";
import type { GrantedJob } from "./jobs.ts";
import { hashToken, leasedJob } from "./leases.ts";
import type { JobRow } from "./schema.ts";
import type { Tx } from "./store.ts";

/** When the worker of a job came back last: `endedSteps` of this attempt had ended by then. */
const lastReturn = z.object({ attempt: z.number(), endedSteps: z.number() });

export interface ResumedJob extends GrantedJob {
  readonly held: HeldAttempt;
}

/**
 * A worker has started anew. What it holds by a live token goes on in the same attempt, under its next
 * token; whatever else its earlier life held is lost.
 */
export async function returnWorker(
  tx: Tx,
  worker: string,
  held: readonly HeldAttempt[],
): Promise<{ readonly changes: readonly Changed[]; readonly resumed: readonly ResumedJob[] }> {
  const changes: Changed[] = [];
  const resumed: ResumedJob[] = [];
  for (const one of held) {
    const granted = await resumeOne(tx, worker, one);
    if (granted === undefined) continue;
    if ("job" in granted) resumed.push({ ...granted, held: one });
    else changes.push(granted);
  }
  const kept = new Set(resumed.map(({ job }) => job.id));
  for (const job of await runningJobsOf(tx, worker)) {
    if (!kept.has(job.id)) changes.push(await lose(tx, job, `worker ${worker} was restarted`));
  }
  return { changes, resumed };
}

/** Its leases live on until it is back; how many there are. */
export async function noteGoodbye(tx: Tx, worker: string): Promise<number> {
  const jobs = await runningJobsOf(tx, worker);
  for (const job of jobs) {
    const set = goodbyeOfWorker({ state: job.state, isNewest: true }, tx.now());
    if (set === undefined) continue;
    await tx.db.updateTable("jobs").set(set).where("id", "=", job.id).execute();
  }
  return jobs.length;
}

async function resumeOne(
  tx: Tx,
  worker: string,
  held: HeldAttempt,
): Promise<GrantedJob | Changed | undefined> {
  // Its answer may have been lost, and the worker says it again.
  const byToken = await leasedJob(tx, held.jobId, held.token);
  const job = byToken ?? (await leasedJob(tx, held.jobId, held.nextToken));
  if (job === undefined || job.worker !== worker) return undefined;
  const build = await findBuild(tx, job.buildId);
  if (build === undefined) return undefined;
  const endedSteps = await countEndedSteps(tx, job);
  // What only waited for its turn has not ended its worker, and what is asked twice is one return.
  const isBlameless = !held.wasWorkedOn || byToken === undefined;
  const verdict = returnOfWorker(
    {
      state: job.state,
      isNewest: true,
      countedAttempts: job.countedAttempts,
      goodbyeAt: job.goodbyeAt ?? (isBlameless ? tx.now() : null),
      hasEndedStep: endedSteps > endedStepsBefore(job),
    },
    tx.now(),
  );
  if (verdict.kind === "stale") return undefined;
  if (verdict.kind === "give-up") return await lose(tx, job, `worker ${worker} was restarted`);
  const set = {
    ...verdict.set,
    leaseTokenHash: hashToken(held.nextToken),
    returnJson: JSON.stringify({ attempt: job.attempt, endedSteps }),
  };
  await tx.db.updateTable("jobs").set(set).where("id", "=", job.id).execute();
  return { job: { ...job, ...set }, build, statusId: undefined };
}

/** After a planned restart it costs nothing: it may have been granted in that very moment. */
async function lose(tx: Tx, job: JobRow, message: string): Promise<Changed> {
  const loss = { kind: lossOfLease(job), code: "WORKER_LOST", message, step: null } as const;
  return await loseWithItsWorker(tx, job, loss);
}

async function runningJobsOf(tx: Tx, worker: string): Promise<readonly JobRow[]> {
  return await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "running")
    .where("worker", "=", worker)
    .execute();
}

async function countEndedSteps(tx: Tx, { id, attempt }: JobRow): Promise<number> {
  const rows = await tx.db
    .selectFrom("steps")
    .select(["state", "startedAt"])
    .where("jobId", "=", id)
    .where("attempt", "=", attempt)
    .execute();
  // A step that is skipped shows nothing of its worker.
  return rows.filter(({ state, startedAt }) => isFinal(state) && startedAt !== null).length;
}

function endedStepsBefore({ returnJson, attempt }: JobRow): number {
  if (returnJson === null) return 0;
  const last = lastReturn.parse(JSON.parse(returnJson));
  return last.attempt === attempt ? last.endedSteps : 0;
}
