import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { syncPath } from "../shared/durable.ts";

/** A sync holds a thread of the few that all files share. */
const SYNCS_AT_ONCE_MAX = 2;

/**
 * Brings all logs of an attempt to the disk, and the names of the folders above them. They are not
 * synced as they come: a step would wait for the disk, and power is lost less often than steps end.
 */
export type SyncAttempt = (attempt: {
  readonly buildId: string;
  readonly jobId: string;
  readonly attempt: number;
}) => Promise<void>;

/** `dir` is the folder of all logs. What an earlier life of the server wrote is synced like its own. */
export function logSync(dir: string): SyncAttempt {
  const inTurn = atMost(SYNCS_AT_ONCE_MAX);
  return async ({ buildId, jobId, attempt }) => {
    const build = join(dir, buildId);
    const job = join(build, jobId);
    const folder = join(job, String(attempt));
    const names = await readdir(folder).catch(ignoreMissing);
    if (names.length === 0) return;
    const files = names.map((name) => inTurn(() => syncFile(join(folder, name))));
    await allDone(files);
    // After the files, so that what is named is there; all were made by the same few commits.
    for (const one of [folder, job, build, dir]) await inTurn(() => syncPath(one));
  };
}

function ignoreMissing(err: unknown): readonly string[] {
  if (err instanceof Error && "code" in err && err.code === "ENOENT") return [];
  throw err;
}

/** The first failure is told once nothing is under way any more. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(work)) {
    if (one.status === "rejected") throw one.reason;
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.datasync();
}

/** Runs what it is given, so many at once; the others wait for their turn. */
function atMost(max: number): (work: () => Promise<void>) => Promise<void> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
