/** Why work stops before its end. A closed list: each reason has its own consequence. */
export const STOP_REASONS = ["cancelled", "lease-lost", "shutdown"] as const;
export type StopReason = (typeof STOP_REASONS)[number];

/** The reason of every `AbortSignal` that ends a job early. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`Stopped: ${reason}.`);
    this.reason = reason;
  }
}

/** The reason that `signal` was aborted for, or undefined while it is not (or not by us). */
export function stopReason(signal: AbortSignal): StopReason | undefined {
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  return reason instanceof Stopped ? reason.reason : undefined;
}
