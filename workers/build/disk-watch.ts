import { once } from "node:events";
import { statfs } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { InfraFault } from "../../src/domain/faults.ts";
import type { Logger } from "../../src/shared/logger.ts";
import type { DiskBudget } from "./disk-budget.ts";
import type { Engine } from "./engine.ts";
import type { Troubles } from "./tell-trouble.ts";

const LOOK_EVERY_MS = 5_000;
/** A step may fill a disk at a gigabyte a second. */
const LOOK_EVERY_WHEN_LOW_MS = 1_000;
const COLLECT_EVERY_MS = 60_000;
const LOOK_TIMEOUT_MS = 60_000;
/** The hard floor is this part of the soft one. */
const HARD_PART = 1 / 3;
const MIB = 1024 * 1024;

export interface RunningJob {
  /** `<job>-<attempt>`. */
  readonly attempt: string;
  stop(fault: InfraFault): void;
}

export interface DiskWatchDeps {
  readonly engine: Pick<Engine, "freeBytes" | "writtenBytes">;
  readonly workerId: string;
  /** This worker's own folder. */
  readonly dir: string;
  readonly softFloorBytes: number;
  readonly jobs: () => readonly RunningJob[];
  readonly budget: DiskBudget;
  readonly troubles: Troubles;
  readonly logger: Logger;
}

/**
 * Looks at the engine's disk and the worker's. Below the soft floor nothing is claimed, and what is
 * least used goes; below the hard floor the job that has written most is stopped, one per look, as an
 * infra fault: it is not to blame for a disk that others filled.
 */
export interface DiskWatch {
  /** Returns once there is room. */
  ready(signal: AbortSignal): Promise<void>;
  lookForever(signal: AbortSignal): Promise<void>;
  /** One look, for tests; false: there is too little room to begin anything. */
  look(signal: AbortSignal): Promise<boolean>;
}

export function watchDisk(deps: DiskWatchDeps): DiskWatch {
  const { softFloorBytes, budget, troubles, logger } = deps;
  let hasRoom = true;
  let onRoom = Promise.withResolvers<void>();
  let collectedAt = -Infinity;

  const become = (room: boolean, freeBytes: number): void => {
    if (room === hasRoom) return;
    hasRoom = room;
    if (room) {
      onRoom.resolve();
      onRoom = Promise.withResolvers<void>();
      logger.info({ freeBytes }, "There is room on the disk again");
      return troubles.set("disk", null);
    }
    logger.warn({ freeBytes, softFloorBytes }, "The disk is nearly full: no jobs are claimed");
    const free = Math.floor(freeBytes / MIB);
    const floor = Math.floor(softFloorBytes / MIB);
    troubles.set("disk", `The disk is nearly full: ${free} MiB are free, ${floor} are wanted.`);
  };

  const look = async (signal: AbortSignal): Promise<boolean> => {
    const freeBytes = await freeBytesOf(deps, signal);
    become(freeBytes >= softFloorBytes, freeBytes);
    if (hasRoom) return true;
    if (freeBytes < softFloorBytes * HARD_PART) await stopLargest(deps, freeBytes, signal);
    if (performance.now() - collectedAt > COLLECT_EVERY_MS) {
      await budget.collect(signal, softFloorBytes - freeBytes);
      collectedAt = performance.now();
    }
    return false;
  };

  return {
    look,
    ready: async (signal) => {
      signal.throwIfAborted();
      if (hasRoom) return;
      await Promise.race([onRoom.promise, once(signal, "abort")]);
      signal.throwIfAborted();
    },
    lookForever: async (shutdown) => {
      while (!shutdown.aborted) {
        const signal = AbortSignal.any([shutdown, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
        await look(signal).catch((err: unknown) => {
          // An engine that is away has a watch of its own.
          if (!shutdown.aborted && !(err instanceof InfraFault))
            logger.warn({ err }, "The disk was not looked at");
        });
        const pauseMs = hasRoom ? LOOK_EVERY_MS : LOOK_EVERY_WHEN_LOW_MS;
        await delay(pauseMs, undefined, { signal: shutdown }).catch(() => undefined);
      }
    },
  };
}

async function freeBytesOf({ engine, dir }: DiskWatchDeps, signal: AbortSignal): Promise<number> {
  const [ofEngine, { bavail, bsize }] = await Promise.all([engine.freeBytes(signal), statfs(dir)]);
  return Math.min(ofEngine ?? Infinity, bavail * bsize);
}

async function stopLargest(
  { engine, workerId, jobs, logger }: DiskWatchDeps,
  freeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const running = jobs();
  if (running.length === 0) return;
  const written = await engine.writtenBytes(workerId, signal);
  const sizeOf = ({ attempt }: RunningJob) => written.get(attempt) ?? 0;
  // Those that have written alike: the newest, which has most to do yet.
  const [largest] = running.toReversed().toSorted((a, b) => sizeOf(b) - sizeOf(a));
  if (largest === undefined) return;
  const bytes = sizeOf(largest);
  logger.warn({ attempt: largest.attempt, bytes, freeBytes }, "A job is stopped: the disk is full");
  const free = Math.floor(freeBytes / MIB);
  const message = `The worker's disk was full (${free} MiB free), and this job had written most.`;
  largest.stop(new InfraFault("DISK_FULL", message));
}
