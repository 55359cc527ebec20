import { nextAttempt, type AttemptLoss, type NextAttempt } from "../attempt.ts";
import type { InfraFaultCode } from "../faults.ts";
import { cancelledBecause } from "./cancel.ts";
import { hasWaitedTooLong } from "./lease.ts";
import {
  after,
  NO_CHANGE,
  type BuildLife,
  type JobRecord,
  type Verdict,
  type Write,
} from "./records.ts";
import { lostReason } from "./return-of-worker.ts";
import { settle } from "./settle.ts";

type RunningJob = JobRecord & { readonly state: "running" };

/** How a worker says that its job ended. */
export interface JobEnd {
  readonly state: "passed" | "failed" | "cancelled";
  readonly reason: string | null;
  /** Of the card that its worker told; null: there is none. */
  readonly failureTitle: string | null;
}

/**
 * A job's worker says how it ended. Whoever asked to cancel before this moment is not surprised by a
 * publish after it.
 */
export function endJob(life: BuildLife, job: JobRecord, end: JobEnd, now: number): Verdict {
  if (!isRunning(job)) return NO_CHANGE;
  if (life.build.cancelRequestedAt !== null) return cancelJob(life, job, now);
  const running = end.state === "cancelled" ? "cancelled" : "errored";
  const { failureTitle: title } = end;
  const buildId = life.build.id;
  const told: readonly Write[] =
    title === null ? [] : [{ on: "failure", buildId, title, fault: null }];
  return followed(life, [ended(job, end, now), openSteps(job, running), ...told], now);
}

/** An attempt that ended without a result. */
export interface Loss {
  readonly kind: AttemptLoss;
  readonly code: InfraFaultCode;
  readonly message: string;
  readonly step: string | null;
  /** The same thing, tried again, would not differ: there is no other attempt. */
  readonly isForGood?: boolean;
}

/** The attempt is lost: the job is queued again, or it ends and its build with it. */
export function loseAttempt(life: BuildLife, job: JobRecord, loss: Loss, now: number): Verdict {
  if (!isRunning(job)) return NO_CHANGE;
  if (life.build.cancelRequestedAt !== null) return cancelJob(life, job, now);
  const next: NextAttempt =
    loss.isForGood === true ? { kind: "give-up" } : nextAttempt(loss.kind, job.countedAttempts);
  if (next.kind === "give-up") {
    if (loss.code === "COMMIT_GONE") return withdraw(life, job, loss.message, now);
    const isLost = loss.kind === "worker-lost";
    const title = isLost ? lostReason(job.countedAttempts) : loss.message;
    return giveUp(life, job, { ...loss, title }, now);
  }
  const requeued = requeue(job, {
    reason: loss.message,
    notBeforeAt: now + next.pauseMs,
    countedAttempts: next.counted ? job.countedAttempts : job.countedAttempts - 1,
  });
  const { attempt, worker } = job;
  const lost = { attempt, kind: loss.kind, reason: loss.message, worker };
  // The next attempt has steps of its own; these would seem to run for ever.
  return { writes: [openSteps(job, "errored"), { ...requeued, lost }], next: "nothing" };
}

/**
 * A job that nobody has taken for too long ends `errored`, so that nothing waits for ever. What waits
 * for other jobs, or for approval, is nobody's to take.
 */
export function giveUpWaiting(
  life: BuildLife,
  job: JobRecord,
  { now, waitMs }: { readonly now: number; readonly waitMs: number },
): Verdict {
  if (job.state !== "queued" || job.isBlocked === 1 || life.build.waitReason !== null)
    return NO_CHANGE;
  if (!hasWaitedTooLong(job, { now, waitMs })) return NO_CHANGE;
  const title = "no worker took it";
  const move = { from: job.state, to: "errored" } as const;
  const end: Write = { on: "job", id: job.id, move, set: { reason: title, endedAt: now } };
  const fault = { code: "NO_WORKER", title, step: null } as const;
  return followed(life, [end, { on: "failure", buildId: life.build.id, title, fault }], now);
}

/** Back in the queue, as if this attempt had never been granted; it waits for a worker from now on. */
export function requeueUncounted(job: JobRecord, now: number): readonly Write[] {
  if (!isRunning(job)) return [];
  return [requeue(job, { notBeforeAt: now, countedAttempts: job.countedAttempts - 1 })];
}

/** Its build is asked to stop, and so it stops. */
export function cancelJob(life: BuildLife, job: JobRecord, now: number): Verdict {
  if (!isRunning(job)) return NO_CHANGE;
  const reason = cancelledBecause(life.build, "cancelled on request");
  const end = ended(job, { state: "cancelled", reason }, now);
  return followed(life, [end, openSteps(job, "cancelled")], now);
}

/** There was nothing for it to do. */
export function skipJob(life: BuildLife, job: JobRecord, reason: string, now: number): Verdict {
  if (!isRunning(job)) return NO_CHANGE;
  const move = { from: job.state, to: "skipped" } as const;
  const set = { reason, endedAt: now, leaseExpiresAt: null };
  return followed(life, [{ on: "job", id: job.id, move, set }], now);
}

function isRunning(job: JobRecord): job is RunningJob {
  return job.state === "running";
}

function giveUp(
  life: BuildLife,
  job: RunningJob,
  {
    code,
    title,
    step,
  }: { readonly code: InfraFaultCode; readonly title: string; readonly step: string | null },
  now: number,
): Verdict {
  const buildId = life.build.id;
  const fault: Write = { on: "failure", buildId, title, fault: { code, title, step } };
  const end = ended(job, { state: "errored", reason: title }, now);
  return followed(life, [end, openSteps(job, "errored"), fault], now);
}

/** Nobody failed: what was asked for was taken back, and no other commit is built instead (F53). */
function withdraw(life: BuildLife, job: RunningJob, message: string, now: number): Verdict {
  const end = ended(job, { state: "cancelled", reason: `commit-gone: ${message}` }, now);
  return followed(life, [end, openSteps(job, "cancelled")], now);
}

function ended(
  job: RunningJob,
  {
    state: to,
    reason,
  }: { readonly state: JobEnd["state"] | "errored"; readonly reason: string | null },
  now: number,
): Write {
  // The token stays, so that a repeated `end` is known for what it is.
  const set = { reason, endedAt: now, leaseExpiresAt: null };
  return { on: "job", id: job.id, move: { from: job.state, to }, set };
}

function requeue(
  job: RunningJob,
  set: {
    readonly reason?: string;
    readonly notBeforeAt: number;
    readonly countedAttempts: number;
  },
): Extract<Write, { readonly on: "job" }> {
  const nobody = { leaseTokenHash: null, leaseExpiresAt: null, goodbyeAt: null };
  return {
    on: "job",
    id: job.id,
    move: { from: job.state, to: "queued" },
    set: { ...set, ...nobody },
  };
}

function openSteps({ id: jobId, attempt }: JobRecord, running: "cancelled" | "errored"): Write {
  return { on: "open-steps", jobId, attempt, running };
}

function followed(life: BuildLife, writes: readonly Write[], now: number): Verdict {
  const settled = settle(after(life, writes), now);
  return { ...settled, writes: [...writes, ...settled.writes] };
}
