import { LEASE_MS } from "../../domain/attempt.ts";
import type { EndMessage, PlanMessage, StepMessage } from "../../shared/build-messages.ts";
import {
  findBuild,
  readPlan,
  settleBuild,
  startBuild,
  type Changed,
  type StoredPlan,
} from "./builds.ts";
import {
  endJobRow,
  endOpenSteps,
  insertArtifacts,
  insertSteps,
  skipWaitingJobs,
} from "./job-rows.ts";
import { hashToken, leasedJob, runningJob, type Lease } from "./leases.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

export interface GrantedJob {
  readonly job: JobRow;
  readonly build: BuildRow;
  readonly plan: StoredPlan | undefined;
  readonly statusId: string | undefined;
}

/** Grants the oldest job that may run now; its token fences everything that follows. */
export async function claimJob(
  tx: Tx,
  worker: string,
  token: string,
): Promise<GrantedJob | undefined> {
  const now = tx.now();
  const next = await tx.db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .selectAll("jobs")
    .where("jobs.state", "=", "queued")
    .where("jobs.notBeforeAt", "<=", now)
    .where("builds.isReady", "=", 1)
    .orderBy("jobs.queuedAt")
    .limit(1)
    .executeTakeFirst();
  if (next === undefined) return undefined;
  const build = await findBuild(tx, next.buildId);
  if (build === undefined) return undefined;

  const job: JobRow = {
    ...next,
    state: "running",
    reason: null,
    attempt: next.attempt + 1,
    countedAttempts: next.countedAttempts + 1,
    startedAt: next.startedAt ?? now,
    worker,
    leaseTokenHash: hashToken(token),
    leaseExpiresAt: now + LEASE_MS,
  };
  const { id, ...set } = job;
  await tx.db.updateTable("jobs").set(set).where("id", "=", id).execute();
  const plan = readPlan(build);
  if (plan !== undefined) await insertSteps(tx, job, plan.steps);
  const statusId = plan === undefined ? undefined : await startBuild(tx, build);
  return { job, build, plan, statusId };
}

/** Records the plan once per build. A second, different plan is as stale as an old token. */
export async function recordPlan(
  tx: Tx,
  { jobId, token }: Lease,
  plan: PlanMessage,
  target: string,
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  const build = job && (await findBuild(tx, job.buildId));
  if (job === undefined || build === undefined) return undefined;
  const { pipeline, steps } = plan;
  const pipelineJson = JSON.stringify({ v: 1, pipeline, steps } satisfies StoredPlan);
  if (build.pipelineJson !== null) {
    return build.pipelineJson === pipelineJson ? { buildId: build.id } : undefined;
  }
  const { subject, authorName } = plan.commit;
  const planned: BuildRow = {
    ...build,
    pipelineJson,
    note: plan.note,
    message: build.message || subject,
    authorName: build.authorName || authorName,
  };
  const { note, message } = planned;
  await tx.db
    .updateTable("builds")
    .set({ pipelineJson, note, message, authorName: planned.authorName })
    .where("id", "=", build.id)
    .execute();
  await tx.db.updateTable("jobs").set({ target }).where("id", "=", jobId).execute();
  if (plan.nothingToDo !== null) {
    await endJobRow(tx, job, { state: "skipped", reason: plan.nothingToDo });
    return await settleBuild(tx, build.id, null);
  }
  await insertSteps(tx, job, steps);
  return { buildId: build.id, statusId: await startBuild(tx, planned) };
}

/** Records a change of a step. Saying it twice changes nothing. */
export async function recordStep(
  tx: Tx,
  { jobId, token }: Lease,
  name: string,
  message: StepMessage,
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  if (job === undefined) return undefined;
  const key = { jobId, attempt: job.attempt, name };
  const isEnd = message.state !== "running";
  const set = {
    state: message.state,
    ...(message.startedAt === null ? {} : { startedAt: message.startedAt }),
    endedAt: isEnd ? message.endedAt : null,
    note: isEnd ? message.note : null,
    failureJson: isEnd && message.failure !== null ? JSON.stringify(message.failure) : null,
  };
  await tx.db
    .insertInto("steps")
    // Only `checkout` comes before the plan; it is always the first.
    .values({ ...key, kind: "checkout", position: 0, startedAt: null, ...set })
    .onConflict((conflict) => {
      const update = conflict.columns(["jobId", "attempt", "name"]).doUpdateSet(set);
      // A late "running" never reopens a step that has ended.
      return isEnd ? update : update.where("steps.endedAt", "is", null);
    })
    .execute();
  return { buildId: job.buildId };
}

/** Ends the job with its result and settles the build, all in one transaction. */
export async function endJob(
  tx: Tx,
  jobId: string,
  token: string,
  end: EndMessage,
): Promise<Changed | undefined> {
  const job = await leasedJob(tx, jobId, token);
  if (job === undefined) return undefined;
  // The answer to the first sending was lost.
  if (job.state !== "running") return job.state === "queued" ? undefined : { buildId: job.buildId };
  const build = await findBuild(tx, job.buildId);
  if (build === undefined) return undefined;

  // Whoever asked to cancel before this moment is not surprised by a publish after it.
  const isCancelled = build.cancelRequestedAt !== null;
  const state = isCancelled ? "cancelled" : end.state;
  const reason = isCancelled ? "cancelled on request" : end.reason;
  await insertArtifacts(tx, job, end);
  if (end.errata != null) {
    await tx.db
      .updateTable("builds")
      .set({ errata: end.errata })
      .where("id", "=", build.id)
      .execute();
  }
  await endJobRow(tx, job, { state, reason });
  await endOpenSteps(tx, job, state === "cancelled" ? "cancelled" : "skipped");
  if (state !== "passed") await skipWaitingJobs(tx, job.buildId);
  return await settleBuild(tx, job.buildId, isCancelled ? null : end.failure);
}

/** Jobs that may be claimed now, oldest first. */
export async function claimableJobs(
  tx: Reader,
  limit: number,
): Promise<readonly { readonly id: string; readonly attempt: number }[]> {
  return await tx.db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select(["jobs.id", "jobs.attempt"])
    .where("jobs.state", "=", "queued")
    .where("jobs.notBeforeAt", "<=", tx.now())
    .where("builds.isReady", "=", 1)
    .orderBy("jobs.queuedAt")
    .limit(limit)
    .execute();
}
