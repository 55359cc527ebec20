import { LEASE_MS, type AttemptLoss } from "../attempt.ts";
import { GOODBYE_LEASE_MS } from "./return-of-worker.ts";
import type { BuildRecord, JobRecord, LeasedRecord, PublishRecord, Verdict } from "./records.ts";
import { NO_CHANGE } from "./records.ts";

/** Who a caller with a token is to a job or publish. */
export type Standing =
  /** The holder of the attempt that runs now. */
  | "holder"
  /** The holder of the last attempt, which has ended: an answer of ours was lost. */
  | "ended"
  /** Of an older attempt, or of none: changes nothing, anywhere (I9). */
  | "stale";

export function standingOf(
  record: Pick<LeasedRecord, "leaseTokenHash"> & { readonly state: string },
  /** The token that was shown is that of the newest attempt. */
  isNewest: boolean,
): Standing {
  // A record that waits for its next attempt has no holder.
  if (!isNewest || record.leaseTokenHash === null || record.state === "queued") return "stale";
  return record.state === "running" ? "holder" : "ended";
}

/** May any worker of the right kind take it now? */
export function mayClaimJob(
  job: Pick<JobRecord, "state" | "isBlocked" | "notBeforeAt">,
  build: Pick<BuildRecord, "state" | "isReady" | "waitReason">,
  now: number,
): boolean {
  return (
    job.state === "queued" &&
    job.isBlocked === 0 &&
    job.notBeforeAt <= now &&
    build.isReady === 1 &&
    build.waitReason === null
  );
}

export interface Claim {
  readonly worker: string;
  readonly tokenHash: string;
  readonly arch: string | null;
  readonly now: number;
}

/**
 * Grants a job's next attempt; its token fences all before it. A build shows as running from its
 * first planned job on. Nothing is written when it may not be claimed.
 */
export function grantJob(job: JobRecord, build: BuildRecord, claim: Claim): Verdict {
  const { state } = job;
  if (state !== "queued" || !mayClaimJob(job, build, claim.now)) return NO_CHANGE;
  const set = { ...granted(job, claim), workerArch: claim.arch, goodbyeAt: null, reason: null };
  const start = job.isPlanned ? startBuild(build, claim.now) : [];
  const move = { from: state, to: "running" } as const;
  return { writes: [{ on: "job", id: job.id, move, set }, ...start], next: "nothing" };
}

/** A queued build starts; queued or running already: nothing changes. */
export function startBuild(build: BuildRecord, now: number): Verdict["writes"] {
  if (build.state !== "queued") return [];
  const move = { from: build.state, to: "running" } as const;
  const set = { startedAt: build.startedAt ?? now };
  return [{ on: "build", id: build.id, move, set, text: "running" }];
}

export function grantPublish(publish: PublishRecord, claim: Omit<Claim, "arch">): Verdict {
  const { id, state } = publish;
  if (state !== "queued" || publish.notBeforeAt > claim.now) return NO_CHANGE;
  const move = { from: state, to: "running" } as const;
  return { writes: [{ on: "publish", id, move, set: granted(publish, claim) }], next: "nothing" };
}

function granted(record: LeasedRecord, { worker, tokenHash, now }: Omit<Claim, "arch">) {
  return {
    attempt: record.attempt + 1,
    countedAttempts: record.countedAttempts + 1,
    startedAt: record.startedAt ?? now,
    worker,
    leaseTokenHash: tokenHash,
    leaseExpiresAt: now + LEASE_MS,
  };
}

/** Until when a lease holds that is renewed now, or whose clock stood still until now. */
export function leaseUntil(goodbyeAt: number | null, now: number): number {
  return now + (goodbyeAt === null ? LEASE_MS : GOODBYE_LEASE_MS);
}

/** What it means that a lease is over: a worker that said goodbye was not the job's victim. */
export function lossOfLease({ goodbyeAt }: Pick<JobRecord, "goodbyeAt">): AttemptLoss {
  return goodbyeAt === null ? "worker-lost" : "stayed-away";
}

/** The attempt's worker has not been heard of for a whole lease. */
export function isLeaseOver(
  record: Pick<LeasedRecord, "leaseExpiresAt"> & { readonly state: string },
  now: number,
): boolean {
  return (
    record.state === "running" && record.leaseExpiresAt !== null && record.leaseExpiresAt <= now
  );
}

/** It could have been taken for so long, and nobody did. */
export function hasWaitedTooLong(
  record: Pick<LeasedRecord, "queuedAt" | "notBeforeAt"> & { readonly state: string },
  { now, waitMs }: { readonly now: number; readonly waitMs: number },
): boolean {
  const since = Math.max(record.queuedAt, record.notBeforeAt);
  return record.state === "queued" && since < now - waitMs;
}
