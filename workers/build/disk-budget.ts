import type { Logger } from "../../src/shared/logger.ts";
import { bytesOf, leastUsed } from "./stored.ts";
import type { Stored } from "./stored.ts";

/** What was used so lately stays whatever happens: a job of another worker may be about to use it. */
const UNUSED_MS_MIN = 10 * 60_000;

export interface DiskBudgetDeps {
  /** Each lists what it keeps; one that cannot say now is left out. */
  readonly sources: readonly ((signal: AbortSignal) => Promise<readonly Stored[]>)[];
  /** Images, caches and mirrors together. */
  readonly bytesMax: number;
  /** When the oldest job of now began; undefined: none runs. */
  readonly oldestJobAt: () => number | undefined;
  readonly now: () => number;
  readonly logger: Logger;
}

/** Keeps what jobs may want again within one bound, whatever kind of thing it is. */
export interface DiskBudget {
  /** Removes what is too much; with `neededBytes` so much more, however little there is. */
  collect(signal: AbortSignal, neededBytes?: number): Promise<void>;
}

export function diskBudget(deps: DiskBudgetDeps): DiskBudget {
  const { sources, bytesMax, oldestJobAt, now, logger } = deps;
  const list = async (signal: AbortSignal): Promise<readonly Stored[]> => {
    const found = await Promise.allSettled(sources.map((source) => source(signal)));
    signal.throwIfAborted();
    for (const one of found)
      if (one.status === "rejected") logger.warn({ err: one.reason }, "Stored things not listed");
    return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  };
  return {
    collect: async (signal, neededBytes = 0) => {
      const stored = await list(signal);
      const bytes = bytesOf(stored);
      const most = neededBytes > 0 ? Math.min(bytesMax, bytes - neededBytes) : bytesMax;
      const usedBefore = Math.min(now() - UNUSED_MS_MIN, oldestJobAt() ?? Infinity);
      const chosen = leastUsed(stored, { bytesMax: Math.max(0, most), usedBefore });
      for (const { kind, name, remove } of chosen) {
        await remove(signal).catch((err: unknown) => {
          signal.throwIfAborted();
          logger.warn({ err, kind, name }, "Not removed");
        });
      }
      if (chosen.length > 0) {
        logger.info({ count: chosen.length, bytes, bytesMax: most }, "Least used things removed");
      }
    },
  };
}
