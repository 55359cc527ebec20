import { setImmediate } from "node:timers/promises";

/** Lets a publish go before what is done in idle time. */
export interface Turns {
  /** Runs at once; idle work waits meanwhile. */
  urgent<T>(work: () => Promise<T>): Promise<T>;
  /** Between two slices of idle work, each of a millisecond or so. */
  idle(): Promise<void>;
}

export function openTurns(): Turns {
  let running = 0;
  let waiters: (() => void)[] = [];
  const idle = async (): Promise<void> => {
    // A message that has come is seen before this returns.
    await setImmediate();
    if (running === 0) return;
    await new Promise<void>((resolve) => waiters.push(resolve));
    await idle();
  };

  return {
    urgent: async (work) => {
      running += 1;
      try {
        return await work();
      } finally {
        running -= 1;
        if (running === 0) {
          for (const wake of waiters) wake();
          waiters = [];
        }
      }
    },
    idle,
  };
}
