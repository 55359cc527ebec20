import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Random } from "../random.ts";

const START_MS = 10_000;
const LOOK_EVERY_MS = 10;
/** How a Redis keeps what it is told; nothing of Tatara may depend on it. */
const KEEPING = {
  always: ["--appendonly", "yes", "--appendfsync", "always"],
  everysec: ["--appendonly", "yes", "--appendfsync", "everysec"],
  off: ["--appendonly", "no"],
} as const satisfies Record<string, readonly string[]>;
export type Keeping = keyof typeof KEEPING;

/** A Redis of the run's own, behind one address for all of its lives. */
export interface RedisRig extends AsyncDisposable {
  readonly url: string;
  /** Returns once it answers. One that cannot read its files loses them first. */
  start(keeping: Keeping): Promise<void>;
  kill(): Promise<void>;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Of a dead one: cuts the newest part of its log somewhere. */
  cut(random: Random): Promise<void>;
  /** Of a dead one: nothing is left of its files. */
  empty(): Promise<void>;
  /** Of a dead one: its files are there, and are not to be read. */
  spoil(): Promise<void>;
  ask(...command: readonly [string, ...string[]]): Promise<string>;
}

export async function openRedisRig(): Promise<RedisRig> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-redis-kill-"));
  const socket = join(dir, "redis.sock");
  const files = join(dir, "files");
  let child: ChildProcess | undefined;

  const launch = async (keeping: Keeping): Promise<boolean> => {
    await mkdir(files, { recursive: true });
    const place = ["--port", "0", "--unixsocket", socket, "--dir", files, "--save", ""];
    const args = [...place, ...KEEPING[keeping], "--maxmemory-policy", "noeviction"];
    // It ends with the run, also with one that is killed.
    const tied = ["--pdeathsig", "KILL", "redis-server", ...args];
    const started = spawn("setpriv", tied, { stdio: "ignore" });
    child = started;
    const endAt = performance.now() + START_MS;
    while (performance.now() < endAt) {
      if (started.exitCode !== null || started.signalCode !== null) return false;
      if ((await ask("PING").catch(() => "")) === "PONG") return true;
      await delay(LOOK_EVERY_MS);
    }
    return false;
  };
  const ask: RedisRig["ask"] = async (...[name, ...args]) => {
    const client = new Redis(socket, { retryStrategy: () => null, commandTimeout: START_MS });
    client.on("error", () => undefined);
    try {
      return String(await client.call(name, ...args));
    } finally {
      client.disconnect();
    }
  };
  const kill = async (): Promise<void> => {
    const dying = child;
    child = undefined;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
    dying.kill("SIGKILL");
    await once(dying, "exit");
  };
  const empty = () => rm(files, { recursive: true, force: true });

  return {
    url: `unix://${socket}`,
    ask,
    kill,
    empty,
    signal: (name) => void child?.kill(name),
    start: async (keeping) => {
      if (await launch(keeping)) return;
      await kill();
      await empty();
      if (!(await launch(keeping))) throw new Error("Redis does not start, not even empty.");
    },
    cut: async (random) => {
      const parts = await appendOnly(files);
      const newest = parts.findLast((path) => path.endsWith(".incr.aof"));
      if (newest === undefined) return;
      const { size } = await stat(newest);
      // Mostly the last second, now and then nearly all of it.
      await truncate(newest, Math.round(size * (1 - random.next() ** 3)));
    },
    spoil: async () => {
      for (const path of await appendOnly(files))
        await writeFile(path, "not an append-only file\r\n");
    },
    [Symbol.asyncDispose]: async () => {
      child?.kill("SIGCONT");
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function appendOnly(files: string): Promise<readonly string[]> {
  const dir = join(files, "appendonlydir");
  const names = await readdir(dir).catch(() => []);
  return names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(dir, name));
}
