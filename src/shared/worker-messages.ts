import { z } from "zod";
import { INFRA_FAULT_CODES } from "../domain/faults.ts";
import { id } from "./message-parts.ts";

export const claimRequest = z.object({
  worker: id,
  protocol: z.object({ lowest: z.number().int(), highest: z.number().int() }),
  /** What it builds for, `x86_64`; left out: it may take any job. */
  arch: z
    .string()
    .regex(/^[a-z0-9_]{1,20}$/)
    .nullish(),
  /** What runs its containers, for people who look for what is slow. */
  engine: z.object({ version: z.string().max(100), isBuildKit: z.boolean() }).nullish(),
  /** Tatara's own version, for people. */
  version: z.string().max(100).nullish(),
  /** Jobs that it runs at a time. */
  slots: z.number().int().positive().nullish(),
});

export type ClaimRequest = z.infer<typeof claimRequest>;

/** An attempt that an earlier life of a build worker held, as its disk says. */
export const heldAttempt = z.object({
  jobId: id,
  /** Of the lease, as that life had it. */
  token: z.string().min(32).max(200),
  /** What fences the attempt from now on; made by the worker, so that saying this twice is the same. */
  nextToken: z.string().min(32).max(200),
  /** It was worked on when that life ended; false: it had only waited for its turn. */
  wasWorkedOn: z.boolean(),
  /** Names of the logs that are on the worker's disk. */
  logs: z.array(z.string().max(200)).max(10_000),
});

export type HeldAttempt = z.infer<typeof heldAttempt>;

/**
 * Said once by a new life of a worker, before it claims. What it holds, and nobody else was granted
 * since, goes on in the same attempt; whatever else its earlier life held is lost, and is queued again
 * at once instead of when the lease runs out.
 */
export const startedRequest = z.object({
  worker: id,
  /** A worker of an earlier version holds nothing. */
  held: z.array(heldAttempt).max(1_000).default([]),
});

/** Said before a planned restart: what this worker holds waits for it. */
export const goodbyeRequest = z.object({ worker: id });

/** Said again and again while a worker cannot work, and once when it can again (null). */
export const troubleMessage = z.object({ worker: id, trouble: z.string().max(1_000).nullable() });

export const heartbeatAnswer = z.object({ leaseMs: z.number().int(), cancel: z.boolean() });

export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

export const faultMessage = z.object({
  code: z.enum(INFRA_FAULT_CODES),
  message: z.string().max(4_000),
  step: z.string().nullable(),
  /** Of "COMMIT_GONE": where the same fetch saw the ref; null: it is gone too. */
  refTip: z.string().max(64).nullable().optional(),
});

export type FaultMessage = z.infer<typeof faultMessage>;
