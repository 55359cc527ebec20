import { z } from "zod";
import { INFRA_FAULT_CODES } from "../domain/faults.ts";
import { id } from "./message-parts.ts";

export const claimRequest = z.object({
  worker: id,
  protocol: z.object({ lowest: z.number().int(), highest: z.number().int() }),
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
