import { ATTEMPTS_MAX, LEASE_MS } from "../attempt.ts";
import { isFinal, type State } from "../states.ts";

/** How long an attempt is held for a worker that said goodbye: an upgrade takes longer than a lease. */
export const GOODBYE_LEASE_MS = 120_000;
/** A worker that crashed this often within the window resumes one job at a time. */
export const CRASHES_MAX = 2;
export const CRASH_WINDOW_MS = 10 * 60_000;

/** What the record says of the attempt that a worker comes back to. Instants in epoch ms. */
export interface HeldAttempt {
  readonly state: State;
  /** The token that the worker shows is that of the job's newest attempt. */
  readonly isNewest: boolean;
  readonly countedAttempts: number;
  /** When its worker said goodbye before a planned restart; null: it did not, so it crashed. */
  readonly goodbyeAt: number | null;
  /** A step of this attempt has ended since its worker was last there: since the last return, or the grant. */
  readonly hasEndedStep: boolean;
}

/** What the record says from then on. */
export interface ResumedAttempt {
  readonly leaseExpiresAt: number;
  readonly countedAttempts: number;
  readonly goodbyeAt: null;
}

export type WorkerReturn =
  /** The same attempt goes on; `isCounted`: it cost one, since nothing had come of it. */
  | { readonly kind: "resume"; readonly isCounted: boolean; readonly set: ResumedAttempt }
  /** It has ended, or is another's: remove what is left of it. */
  | { readonly kind: "stale" }
  /** It has taken its worker with it once too often: the job ends `errored`. */
  | { readonly kind: "give-up"; readonly reason: string };

/**
 * Decides what becomes of an attempt whose worker has come back with its token. As long as nobody
 * else was granted the job it is the same attempt, however late (F24-F27). A return after a crash
 * counts as a lost attempt when no step has ended since the worker was last there, so that a job
 * which kills its worker each time ends (F21); a planned restart never counts (F39).
 */
export function returnOfWorker(held: HeldAttempt, now: number): WorkerReturn {
  if (!held.isNewest || held.state !== "running") return { kind: "stale" };
  const isCounted = held.goodbyeAt === null && !held.hasEndedStep;
  if (isCounted && held.countedAttempts >= ATTEMPTS_MAX) {
    return { kind: "give-up", reason: lostReason(held.countedAttempts) };
  }
  const countedAttempts = held.countedAttempts + (isCounted ? 1 : 0);
  const leaseExpiresAt = now + LEASE_MS;
  return { kind: "resume", isCounted, set: { leaseExpiresAt, countedAttempts, goodbyeAt: null } };
}

/**
 * A worker says that it will be back: what it holds waits for it. Undefined: it holds nothing here.
 */
export function goodbyeOfWorker(
  held: Pick<HeldAttempt, "state" | "isNewest">,
  now: number,
): { readonly goodbyeAt: number; readonly leaseExpiresAt: number } | undefined {
  if (!held.isNewest || isFinal(held.state) || held.state === "queued") return undefined;
  return { goodbyeAt: now, leaseExpiresAt: now + GOODBYE_LEASE_MS };
}

/** Must a worker that has just come back resume one job at a time, so that the right one is blamed? */
export function resumesOneByOne(crashesAt: readonly number[], now: number): boolean {
  return crashesAt.filter((at) => now - at <= CRASH_WINDOW_MS).length >= CRASHES_MAX;
}

/** How people read that a job took its worker with it each time. */
export function lostReason(times: number): string {
  return `worker lost ${times} times`;
}
