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
});

export type ClaimRequest = z.infer<typeof claimRequest>;

/**
 * Said once by a new life of a worker, before it claims: whatever its earlier life held is lost, and
 * is queued again at once instead of when the lease runs out.
 */
export const startedRequest = z.object({ worker: id });

export const heartbeatAnswer = z.object({ leaseMs: z.number().int(), cancel: z.boolean() });

export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

export const faultMessage = z.object({
  code: z.enum(INFRA_FAULT_CODES),
  message: z.string().max(4_000),
  step: z.string().nullable(),
});

export type FaultMessage = z.infer<typeof faultMessage>;
