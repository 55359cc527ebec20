import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { processesOf } from "../../../src/invariants/processes.ts";
import { liveBytes } from "./live-heap.ts";
import { readQueues } from "../../../src/shared/queue-contents.ts";

/** Walking the folder and collecting garbage are work of their own. */
const RARELY = 12;

/** What one process used at one moment. `life` changes when it is started again. */
export interface Sample {
  readonly atMs: number;
  readonly life: string;
  readonly rssBytes: number;
  /** After a full garbage collection; measured now and then. */
  readonly liveBytes?: number | undefined;
  readonly openFiles: number;
  readonly threads: number;
}

export interface Samples {
  /** By the process's name. */
  readonly processes: ReadonlyMap<string, readonly Sample[]>;
  readonly redisBytes: readonly number[];
  readonly diskBytes: readonly number[];
}

/** Looks at every process, Redis and the disk each `everyMs`, until `stop`. */
export async function sample(
  dataDir: string,
  { everyMs, onRound }: { readonly everyMs: number; readonly onRound: () => void },
  stop: AbortSignal,
): Promise<Samples> {
  const processes = new Map<string, Sample[]>();
  const redisBytes: number[] = [];
  const diskBytes: number[] = [];
  for (let round = 0; !stop.aborted; round += 1) {
    const found = await processesOf(dataDir);
    for (const { name, pid, rssBytes, openFiles, threads } of found) {
      const samples = processes.get(name) ?? [];
      processes.set(name, samples);
      const used = { atMs: performance.now(), life: String(pid), rssBytes, openFiles, threads };
      const readLog = (): Promise<string> => readFile(join(dataDir, "log", `${name}.log`), "utf8");
      samples.push(
        round % RARELY === 0 ? { ...used, liveBytes: await liveBytes(pid, readLog) } : used,
      );
    }
    const redisUrl = found.find((one) => one.redisUrl !== undefined)?.redisUrl;
    if (redisUrl !== undefined) redisBytes.push(...(await redisMemory(redisUrl)));
    if (round % RARELY === 0) diskBytes.push(await sizeOf(dataDir));
    onRound();
    await delay(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
  return { processes, redisBytes, diskBytes };
}

/** It may be dead just now. */
async function redisMemory(url: string): Promise<readonly number[]> {
  try {
    using queues = await readQueues(url);
    return [await queues.memoryBytes()];
  } catch {
    return [];
  }
}

async function sizeOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
