import { createHash, timingSafeEqual } from "node:crypto";
import { LEASE_MS, nextAttempt, type AttemptLoss } from "../../domain/attempt.ts";
import type { InfraFaultCode } from "../../domain/faults.ts";
import type { PlannedStep } from "../../domain/step.ts";
import type { EndMessage, FailureCard, PlanMessage, StepMessage } from "../../shared/protocol.ts";
import {
  findBuild,
  readPlan,
  settleBuild,
  startBuild,
  type Changed,
  type StoredPlan,
} from "./builds.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** What a worker shows with every write. */
export interface Lease {
  readonly jobId: string;
  readonly token: string;
}

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

/** The job, if `token` is that of its newest attempt; else the caller is stale. */
export async function leasedJob(
  tx: Pick<Reader, "db">,
  jobId: string,
  token: string,
): Promise<JobRow | undefined> {
  const job = await tx.db.selectFrom("jobs").selectAll().where("id", "=", jobId).executeTakeFirst();
  if (job?.leaseTokenHash == null) return undefined;
  const given = Buffer.from(hashToken(token), "hex");
  return timingSafeEqual(given, Buffer.from(job.leaseTokenHash, "hex")) ? job : undefined;
}

/** The job, if it runs under this very lease. */
async function runningJob(tx: Tx, jobId: string, token: string): Promise<JobRow | undefined> {
  const job = await leasedJob(tx, jobId, token);
  return job?.state === "running" ? job : undefined;
}

/** Renews the lease. Undefined: the caller is stale. */
export async function renewLease(
  tx: Tx,
  jobId: string,
  token: string,
): Promise<{ readonly cancel: boolean } | undefined> {
  const job = await runningJob(tx, jobId, token);
  if (job === undefined) return undefined;
  await tx.db
    .updateTable("jobs")
    .set({ leaseExpiresAt: tx.now() + LEASE_MS })
    .where("id", "=", jobId)
    .execute();
  const build = await findBuild(tx, job.buildId);
  return { cancel: build?.cancelRequestedAt != null };
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

async function insertSteps(tx: Tx, job: JobRow, steps: readonly PlannedStep[]): Promise<void> {
  const rows = steps.map(({ name, kind }, position) => ({
    jobId: job.id,
    attempt: job.attempt,
    name,
    kind,
    position,
    state: "queued" as const,
    note: null,
    startedAt: null,
    endedAt: null,
    failureJson: null,
  }));
  // `checkout` may have been reported before there was a plan.
  await tx.db
    .insertInto("steps")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["jobId", "attempt", "name"]).doNothing())
    .execute();
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
  await endJobRow(tx, job, { state, reason });
  await endOpenSteps(tx, job, state === "cancelled" ? "cancelled" : "skipped");
  if (state !== "passed") await skipWaitingJobs(tx, job.buildId);
  return await settleBuild(tx, job.buildId, isCancelled ? null : end.failure);
}

async function insertArtifacts(tx: Tx, job: JobRow, end: EndMessage): Promise<void> {
  if (end.packages.length === 0) return;
  const rows = end.packages.map((artifact) => ({
    jobId: job.id,
    attempt: job.attempt,
    ...artifact,
  }));
  await tx.db
    .insertInto("artifacts")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["jobId", "attempt", "fileName"]).doNothing())
    .execute();
}

/** The attempt ended without a result: the job is queued again, or the build ends `errored`. */
export async function loseAttempt(
  tx: Tx,
  job: JobRow,
  loss: {
    readonly kind: AttemptLoss;
    readonly code: InfraFaultCode;
    readonly message: string;
    readonly step: string | null;
  },
): Promise<Changed> {
  const build = await findBuild(tx, job.buildId);
  if (build?.cancelRequestedAt != null) {
    await endJobRow(tx, job, { state: "cancelled", reason: "cancelled on request" });
    await endOpenSteps(tx, job, "cancelled");
    return await settleBuild(tx, job.buildId, null);
  }
  const next = nextAttempt(loss.kind, job.countedAttempts);
  if (next.kind === "again") {
    await tx.db
      .updateTable("jobs")
      .set({
        state: "queued",
        reason: loss.message,
        notBeforeAt: tx.now() + next.pauseMs,
        countedAttempts: next.counted ? job.countedAttempts : job.countedAttempts - 1,
        leaseTokenHash: null,
        leaseExpiresAt: null,
      })
      .where("id", "=", job.id)
      .execute();
    return { buildId: job.buildId, queuedJobs: next.pauseMs === 0 ? [job.id] : [] };
  }
  const reason =
    loss.kind === "worker-lost" ? `worker lost ${job.countedAttempts} times` : loss.message;
  await endJobRow(tx, job, { state: "errored", reason });
  await endOpenSteps(tx, job, "errored");
  await skipWaitingJobs(tx, job.buildId);
  return await settleBuild(tx, job.buildId, ourCard(loss.code, reason, loss.step));
}

/** A worker could not find out. It says so under its lease. */
export async function reportFault(
  tx: Tx,
  jobId: string,
  token: string,
  fault: { readonly code: InfraFaultCode; readonly message: string; readonly step: string | null },
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  return job && (await loseAttempt(tx, job, { kind: "infra-fault", ...fault }));
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
export async function expireLeases(tx: Tx): Promise<readonly Changed[]> {
  const expired = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "running")
    .where("leaseExpiresAt", "<=", tx.now())
    .execute();
  const changes: Changed[] = [];
  for (const job of expired) {
    const message = `worker ${job.worker ?? ""} was lost`;
    const loss = { kind: "worker-lost", code: "WORKER_LOST", message, step: null } as const;
    changes.push(await loseAttempt(tx, job, loss));
  }
  return changes;
}

/** The lease's clock stood still while the server was down: everybody gets one full period. */
export async function restartLeaseClocks(tx: Tx): Promise<void> {
  const leaseExpiresAt = tx.now() + LEASE_MS;
  await tx.db.updateTable("jobs").set({ leaseExpiresAt }).where("state", "=", "running").execute();
  await tx.db
    .updateTable("publishes")
    .set({ leaseExpiresAt })
    .where("state", "=", "running")
    .execute();
}

/** Jobs that waited too long for any worker end `errored`, so that nothing waits for ever. */
export async function expireQueuedJobs(tx: Tx, waitMs: number): Promise<readonly Changed[]> {
  const stuck = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "queued")
    .where("queuedAt", "<", tx.now() - waitMs)
    .execute();
  const changes: Changed[] = [];
  for (const job of stuck) {
    const reason = "no worker took it";
    await endJobRow(tx, job, { state: "errored", reason });
    changes.push(await settleBuild(tx, job.buildId, ourCard("NO_WORKER", reason, null)));
  }
  return changes;
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

/** Attempts that run now, for the reapers. */
export async function liveAttempts(tx: Pick<Reader, "db">) {
  const rows = await tx.db
    .selectFrom("jobs")
    .select(["id as jobId", "attempt"])
    .where("state", "=", "running")
    .execute();
  return rows;
}

async function endJobRow(
  tx: Tx,
  job: JobRow,
  end: { readonly state: JobRow["state"]; readonly reason: string | null },
): Promise<void> {
  // The token's hash stays, so that a repeated `end` is known for what it is.
  await tx.db
    .updateTable("jobs")
    .set({ ...end, endedAt: tx.now(), leaseExpiresAt: null })
    .where("id", "=", job.id)
    .execute();
}

/** Steps that had not ended when their job did. */
async function endOpenSteps(
  tx: Tx,
  job: JobRow,
  state: "cancelled" | "skipped" | "errored",
): Promise<void> {
  const open = (from: "queued" | "running", to: JobRow["state"]) =>
    tx.db
      .updateTable("steps")
      .set({ state: to, endedAt: tx.now() })
      .where("jobId", "=", job.id)
      .where("attempt", "=", job.attempt)
      .where("state", "=", from)
      .execute();
  await open("queued", "skipped");
  await open("running", state === "skipped" ? "errored" : state);
}

async function skipWaitingJobs(tx: Tx, buildId: string): Promise<void> {
  await tx.db
    .updateTable("jobs")
    .set({ state: "skipped", reason: "an earlier job did not pass", endedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();
}

const NETWORK_CODES: ReadonlySet<InfraFaultCode> = new Set(["IMAGE_UNAVAILABLE", "CANNOT_FETCH"]);

/** The card of a build that we, not its author, could not finish. */
export function ourCard(code: InfraFaultCode, title: string, step: string | null): FailureCard {
  return {
    kind: NETWORK_CODES.has(code) ? "network" : "ours",
    code,
    step,
    title,
    excerpt: "",
    file: null,
    line: null,
    logLine: null,
    hint: "This is not your fault. Rerun the build when the cause is gone.",
    confidence: "high",
    evidence: "fault",
    problems: null,
  };
}
