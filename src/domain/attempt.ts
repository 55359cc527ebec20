/** Limits of leases and attempts (reliability design, section 3). Durations in milliseconds. */
export const LEASE_MS = 25_000;
export const HEARTBEAT_MS = 5_000;
export const EXPIRY_CHECK_MS = 1_000;
export const ATTEMPTS_MAX = 3;
/**
 * A publish runs nothing of the user's, so a worker that dies meanwhile says nothing against it: it
 * is done again more often, and only a publish that kills its worker each time ends.
 */
export const PUBLISH_LOSSES_MAX = 10;
/** For what an operator must mend: the pauses between so many attempts are an hour together. */
export const PUBLISH_OPERATOR_FAULTS_MAX = 17;
const PAUSES_MS = [30_000, 240_000] as const;
export const ATTEMPT_PAUSE_MAX_MS: number = Math.max(...PAUSES_MS);

/** Why an attempt ended without a result. `stayed-away`: its worker said goodbye, and is not back. */
export type AttemptLoss = "worker-lost" | "infra-fault" | "handed-back" | "stayed-away";

export type NextAttempt =
  | { readonly kind: "again"; readonly pauseMs: number; readonly counted: boolean }
  | { readonly kind: "give-up" };

/**
 * Decides what follows an attempt that ended without a result. A worker that hands its job back
 * (planned stop), or does not come back from one, costs no attempt; a lost worker costs one, without a pause; an infra fault costs
 * one, with a pause that grows.
 */
export function nextAttempt(
  loss: AttemptLoss,
  countedAttempts: number,
  attemptsMax: number = ATTEMPTS_MAX,
): NextAttempt {
  if (loss === "handed-back" || loss === "stayed-away")
    return { kind: "again", pauseMs: 0, counted: false };
  if (countedAttempts >= attemptsMax) return { kind: "give-up" };
  if (loss === "worker-lost") return { kind: "again", pauseMs: 0, counted: true };
  const pauseMs = PAUSES_MS[Math.min(countedAttempts, PAUSES_MS.length) - 1] ?? PAUSES_MS[0];
  return { kind: "again", pauseMs, counted: true };
}
