export const SPOOL_BYTES_MAX = 256 * 1024 * 1024;

/** One per worker: what all spools together may hold. */
export interface SpoolBudget {
  take(bytes: number): void;
  give(bytes: number): void;
  /** Resolves at once unless the budget is used up. */
  room(): Promise<void>;
  /** Bytes that the server has not taken yet. */
  held(): number;
}

export function spoolBudget(bytesMax: number = SPOOL_BYTES_MAX): SpoolBudget {
  let held = 0;
  let waiting: (() => void)[] = [];
  return {
    take: (bytes) => void (held += bytes),
    give: (bytes) => {
      held -= bytes;
      if (held >= bytesMax) return;
      for (const go of waiting) go();
      waiting = [];
    },
    held: () => held,
    room: async () => {
      // Whoever is woken may find that another writer was quicker.
      for (;;) {
        if (held < bytesMax) return;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
