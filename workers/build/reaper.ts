import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../src/shared/logger.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { liveAttemptsAnswer } from "../../src/shared/build-messages.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import type { Engine, Leftover } from "./engine.ts";
import type { Wakeable } from "./wakeable.ts";

/**
 * The engine finishes what a killed worker had asked for, seconds after the next one looked, so the
 * first looks follow each other soon.
 */
const PAUSES_MS = [10_000, 20_000] as const;
const REAP_EVERY_MS = 60_000;
/** Tidying walks over all that is stored, and nothing of it is in a hurry. */
const TIDY_EACH = 3;
const REAP_TIMEOUT_MS = 60_000;

export interface ReaperDeps {
  readonly engine: Engine;
  readonly client: ServerClient;
  readonly workerId: string;
  /** Folder with one sub-folder per attempt, named `<job>-<attempt>`. */
  readonly jobsDir: string;
  /** Attempts that this process runs now, as `<job>-<attempt>`. */
  readonly isOurs: (attempt: string) => boolean;
  /** What else wants to be tidied now and then. */
  readonly tidy: (signal: AbortSignal) => Promise<void>;
  /** Waits so long, or until somebody knows that there is something to reap. */
  readonly pause: Wakeable["pause"];
  readonly logger: Logger;
}

/**
 * Removes what dead attempts left on the engine and the disk: at the start, when the engine has been
 * away, and now and then.
 */
export async function reapForever(deps: ReaperDeps, shutdown: AbortSignal): Promise<void> {
  for (let round = 0; !shutdown.aborted; round += 1) {
    await reap(deps, shutdown).catch((err: unknown) => {
      if (!shutdown.aborted) deps.logger.warn({ err }, "Leftovers not removed");
    });
    if (round % TIDY_EACH === 0) {
      await deps.tidy(shutdown).catch((err: unknown) => {
        if (!shutdown.aborted) deps.logger.warn({ err }, "Mirrors, caches and images not tidied");
      });
    }
    const pauseMs = PAUSES_MS[round] ?? REAP_EVERY_MS;
    // An engine that comes back is as one that a new worker finds: soon looked at again.
    if ((await deps.pause(pauseMs, shutdown)) === "woken") round = -1;
  }
}

/**
 * Removes what is this worker's own and no live attempt's. What others left is theirs to reap, but for
 * what they kept for a while and never came for: they may be gone for good.
 */
export async function reap(deps: ReaperDeps, shutdown: AbortSignal): Promise<void> {
  const { engine, workerId, logger } = deps;
  const signal = AbortSignal.any([shutdown, AbortSignal.timeout(REAP_TIMEOUT_MS)]);
  const isAlive = await readAlive(deps, signal);
  const leftovers = await engine.listLeftovers(signal);
  const dead = leftovers.filter((found) => {
    // The engine names only images that were long out of use; they belong to no worker.
    if (found.kind === "image") return true;
    if (found.workerId !== workerId && found.isOver !== true) return false;
    return !isAlive(nameOf(found));
  });
  // A volume or network is free only once the containers that use it are gone.
  for (const kind of ["container", "volume", "network", "image"] as const) {
    for (const leftover of dead.filter((found) => found.kind === kind)) {
      await removeOne(deps, leftover, signal);
    }
  }
  if (dead.length > 0) logger.info({ count: dead.length }, "Leftovers of dead attempts removed");
  await removeFolders(deps, isAlive);
}

/** This process knows its own attempts; of others (an earlier life's lease) only the server does. */
async function readAlive(
  { client, isOurs }: ReaperDeps,
  signal: AbortSignal,
): Promise<(attempt: string | undefined) => boolean> {
  const call = { path: PATHS.liveAttempts(), method: "GET", answer: liveAttemptsAnswer } as const;
  const { attempts } = await client.send(call, signal);
  const alive = new Set(attempts.map(({ jobId, attempt }) => `${jobId}-${attempt}`));
  return (attempt) => attempt !== undefined && (isOurs(attempt) || alive.has(attempt));
}

function nameOf({ jobId, attempt }: Leftover): string | undefined {
  return jobId === undefined || attempt === undefined ? undefined : `${jobId}-${attempt}`;
}

async function removeOne(
  { engine, logger }: ReaperDeps,
  leftover: Leftover,
  signal: AbortSignal,
): Promise<void> {
  await engine.removeLeftover(leftover, signal).catch((err: unknown) => {
    signal.throwIfAborted();
    logger.warn({ err, kind: leftover.kind, id: leftover.id }, "Leftover not removed");
  });
}

async function removeFolders(
  { jobsDir, isOurs }: ReaperDeps,
  isAlive: (attempt: string) => boolean,
): Promise<void> {
  const names = await readdir(jobsDir).catch(() => []);
  const dead = names.filter((name) => !isAlive(name) && !isOurs(name));
  await Promise.all(dead.map((name) => rm(join(jobsDir, name), { recursive: true, force: true })));
}
