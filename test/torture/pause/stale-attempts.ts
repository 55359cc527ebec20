import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openRecords } from "../records.ts";
import { runningContainers } from "./running-containers.ts";

/** F30 gives the worker 10 s; looking takes a while too on a busy machine. */
const STOPPED_MS = 10_000;
const LOOKING_MS = 5_000;
const LOOK_EVERY_MS = 500;

/** Attempts whose job is queued again or has a newer one: nobody may write for them any more. */
export function isStale(
  dataDir: string,
): (attempt: { readonly jobId: string; readonly attempt: number }) => boolean {
  using records = openRecords(dataDir);
  const jobs = new Map(records.all("jobs").map((job) => [job.id, job]));
  return ({ jobId, attempt }) => {
    const job = jobs.get(jobId);
    return job !== undefined && (job.state === "queued" || attempt < job.attempt);
  };
}

/**
 * Waits until no container of a stale attempt of that worker runs any more. `unheard` says that the
 * worker cannot have heard of it, since the server stands still: that time does not count. Returns
 * the names of what still runs at the deadline.
 */
export async function staleContainers(
  dataDir: string,
  workerId: string,
  unheard: () => boolean,
): Promise<readonly string[]> {
  let endAt = performance.now() + STOPPED_MS + LOOKING_MS;
  for (;;) {
    const isOld = isStale(dataDir);
    const left = (await runningContainers(workerId)).filter(isOld);
    if (left.length === 0) return [];
    if (unheard()) endAt = performance.now() + STOPPED_MS + LOOKING_MS;
    // Those that became stale just now have their time too.
    if (performance.now() > endAt) return left.map(({ name }) => name);
    await delay(LOOK_EVERY_MS);
  }
}

/** The server's own last line, which may be under way when its attempt has just been lost. */
const LAST_LINE = /\n?(\[tatara: worker lost here\]\n)?$/;

/** Bytes of each log of a stale attempt without the server's last line, by path below the logs' folder. */
export async function staleLogs(dataDir: string): Promise<ReadonlyMap<string, number>> {
  const isOld = isStale(dataDir);
  const dir = join(dataDir, "logs");
  const sizes = new Map<string, number>();
  for (const path of await readdir(dir, { recursive: true }).catch(() => [])) {
    const [, jobId, attempt, step] = path.split("/");
    if (jobId === undefined || step === undefined) continue;
    if (isOld({ jobId, attempt: Number(attempt) })) {
      const text = await readFile(join(dir, path), "latin1");
      sizes.set(path, text.replace(LAST_LINE, "").length);
    }
  }
  return sizes;
}
