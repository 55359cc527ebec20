import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { flock } from "../../src/shared/flock.ts";

/** A process that was told to stop is gone by then. */
const LEAVING_SECONDS = 15;

export interface WorkerLock {
  release(): Promise<void>;
}

/**
 * One process per worker's folder: a second one would take its attempts for those of an earlier life,
 * and both would remove what the other needs. The kernel drops the lock when its holder is gone. Throws
 * when that does not leave.
 */
export async function lockWorker(
  dir: string,
  { pid, waitSeconds = LEAVING_SECONDS }: { readonly pid: number; readonly waitSeconds?: number },
  signal: AbortSignal,
): Promise<WorkerLock> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, "worker.lock");
  const file = await open(path, "a", 0o600);
  try {
    if (!(await flock(file, waitSeconds, signal))) {
      const holder = (await readFile(path, "utf8")).trim();
      throw new Error(
        `${dir} is in use by another build worker (process ${holder || "unknown"}). One process works ` +
          "under a worker's name. Stop that one, or give this one another TATARA_WORKER_NAME.",
      );
    }
    // On a full disk nobody can be told the holder's name; the lock holds all the same.
    await writeFile(path, `${pid}\n`).catch(() => undefined);
  } catch (err) {
    await file.close();
    throw err;
  }
  return { release: () => file.close() };
}
