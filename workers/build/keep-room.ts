import type { Logger } from "../../src/shared/logger.ts";
import type { CacheStore } from "./cache/cache-store.ts";
import { diskBudget } from "./disk-budget.ts";
import { watchDisk } from "./disk-watch.ts";
import type { DiskWatch } from "./disk-watch.ts";
import type { Engine } from "./engine.ts";
import type { Lease } from "./lease.ts";
import type { Mirrors } from "./source/mirrors.ts";
import type { Troubles } from "./tell-trouble.ts";

export interface KeepRoomDeps {
  readonly engine: Engine;
  readonly caches: CacheStore;
  readonly mirrors: Mirrors;
  readonly storedBytesMax: number;
  readonly diskFloorBytes: number;
  /** 0: what BuildKit keeps is left as it is. */
  readonly buildKitCacheBytes: number;
  readonly workerId: string;
  readonly dir: string;
  /** Attempts of now. */
  readonly held: () => readonly {
    readonly lease: Lease;
    readonly attempt: string;
    readonly startedAt: number;
  }[];
  readonly troubles: Troubles;
  readonly now: () => number;
  readonly logger: Logger;
}

/** Everything that keeps the disks from filling: the budget of what is stored, and the floors. */
export interface RoomKeeper extends Pick<DiskWatch, "ready" | "lookForever"> {
  tidy(signal: AbortSignal): Promise<void>;
}

export function keepRoom(deps: KeepRoomDeps): RoomKeeper {
  const { engine, caches, mirrors, held, buildKitCacheBytes, logger } = deps;
  const budget = diskBudget({
    sources: [engine.listStored, caches.stored, mirrors.stored],
    bytesMax: deps.storedBytesMax,
    oldestJobAt: () => {
      const starts = held().map(({ startedAt }) => startedAt);
      return starts.length === 0 ? undefined : Math.min(...starts);
    },
    now: deps.now,
    logger,
  });
  const watch = watchDisk({
    engine,
    workerId: deps.workerId,
    dir: deps.dir,
    softFloorBytes: deps.diskFloorBytes,
    jobs: () => held().map(({ lease, attempt }) => ({ attempt, stop: lease.breakOff })),
    budget,
    troubles: deps.troubles,
    logger,
  });
  return {
    ready: watch.ready,
    lookForever: watch.lookForever,
    tidy: async (signal) => {
      await mirrors.tidy(signal);
      await caches.tidy(signal);
      await budget.collect(signal);
      if (buildKitCacheBytes > 0) await engine.pruneBuildCache(buildKitCacheBytes, signal);
    },
  };
}
