import { LEASE_MS } from "../../domain/attempt.ts";
import type { EndMessage, StepMessage } from "../../shared/build-messages.ts";
import { findBuild, startBuild, type Changed } from "./builds.ts";
import { cancelReason } from "./cancel-reason.ts";
import { pickJob, type Claimer } from "./claim-order.ts";
import { endJobRow, endOpenSteps, insertArtifacts, insertSteps } from "./job-rows.ts";
import { hashToken, leasedJob, runningJob, type Lease } from "./leases.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import { settleBuild } from "./settle.ts";
import { specOf } from "./stored-plan.ts";
import { withHistory } from "./test-history.ts";
import type { Tx } from "./store.ts";

export interface GrantedJob {
  readonly job: JobRow;
  readonly build: BuildRow;
  readonly statusId: string | undefined;
}

/** Grants the next job that this worker may run; its token fences everything that follows. */
export async function claimJob(
  tx: Tx,
  worker: string,
  token: string,
  claimer: Claimer = {},
): Promise<GrantedJob | undefined> {
  const now = tx.now();
  const id = await pickJob(tx, claimer);
  if (id === undefined) return undefined;
  const next = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
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
    workerArch: claimer.arch ?? null,
    leaseTokenHash: hashToken(token),
    leaseExpiresAt: now + LEASE_MS,
  };
  const { id: _id, ...set } = job;
  await tx.db.updateTable("jobs").set(set).where("id", "=", id).execute();
  const spec = specOf(job);
  await insertSteps(tx, job, spec?.steps ?? []);
  const statusId = spec === null ? undefined : await startBuild(tx, build);
  return { job, build, statusId };
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
  const details = isEnd ? message.details : null;
  const set = {
    state: message.state,
    ...(message.startedAt === null ? {} : { startedAt: message.startedAt }),
    endedAt: isEnd ? message.endedAt : null,
    note: isEnd ? message.note : null,
    detailsJson: details === null ? null : JSON.stringify(details),
    failureJson: isEnd && message.failure !== null ? JSON.stringify(message.failure) : null,
  };
  await tx.db
    .insertInto("steps")
    // Only `checkout` comes before the plan; it is always the first.
    .values({ ...key, title: name, kind: "checkout", position: 0, startedAt: null, ...set })
    .onConflict((conflict) => {
      const update = conflict.columns(["jobId", "attempt", "name"]).doUpdateSet(set);
      // A late "running" never reopens a step that has ended.
      return isEnd ? update : update.where("steps.endedAt", "is", null);
    })
    .execute();
  return { buildId: job.buildId };
}

/** What the worker read in the repository, and nobody else can read again. */
async function storeTexts(tx: Tx, build: BuildRow, { errata, file }: EndMessage): Promise<void> {
  const set = {
    ...(errata != null && { errata }),
    // Of a file that was planned the whole text is there already.
    ...(file != null && build.fileJson === null && { fileJson: JSON.stringify(file) }),
  };
  if (Object.keys(set).length === 0) return;
  await tx.db.updateTable("builds").set(set).where("id", "=", build.id).execute();
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
  // A worker of an earlier version, whose plan this one cannot read: it is planned again.
  if (job.specJson === null && end.state === "passed") return undefined;

  // Whoever asked to cancel before this moment is not surprised by a publish after it.
  const isCancelled = build.cancelRequestedAt !== null;
  const state = isCancelled ? "cancelled" : end.state;
  const reason = isCancelled ? await cancelReason(tx, build, "cancelled on request") : end.reason;
  await insertArtifacts(tx, job, end);
  await storeTexts(tx, build, end);
  await endJobRow(tx, job, { state, reason });
  await endOpenSteps(tx, job, state === "cancelled" ? "cancelled" : "skipped");
  return await settleBuild(
    tx,
    job.buildId,
    isCancelled ? null : await withHistory(tx, job, end.failure),
  );
}
