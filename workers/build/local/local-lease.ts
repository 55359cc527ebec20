import type { Lease } from "../lease.ts";

/** The right to work on a job that is nobody else's; it lasts until whoever started it stops it. */
export function localLease(signal: AbortSignal): Lease {
  return {
    token: "local",
    signal,
    talking: new AbortController().signal,
    renewed: () => {
      signal.throwIfAborted();
      return Promise.resolve();
    },
    beat: () => undefined,
    lose: () => undefined,
    breakOff: () => undefined,
    close: () => undefined,
  };
}
