import { join } from "node:path";
import { readdir } from "node:fs/promises";
import type { ProcessName } from "../../../src/cli/processes/process-table.ts";
import { CALLS } from "./calls.ts";
import type { Trap } from "./trap.ts";
import { threadsOf } from "./trap.ts";
import type { World } from "./world.ts";

/** Calls by which the main thread speaks to sockets too; files it writes with others. */
const SOCKET_CALLS: ReadonlySet<string> = new Set(["write", "writev"]);
const FILE_CALLS = CALLS.filter((call) => !SOCKET_CALLS.has(call));

/** Threads whose disk calls are looked at together. */
export interface Target {
  readonly name: string;
  readonly process: ProcessName;
  /** Which of its threads; undefined: any. */
  readonly thread?: "main" | "other";
  trap(world: World): Promise<Pick<Trap, "threads" | "calls" | "onlyPath">>;
}

const logOf = ({ tatara }: World, process: ProcessName): string =>
  join(tatara.dataDir, "log", `${process}.log`);

export function pidOf({ tatara }: World, process: ProcessName): number {
  const pid = tatara.supervisor.pidOf(process);
  if (pid === undefined) throw new Error(`${process} does not run.`);
  return pid;
}

/** SQLite and what is done at once, on the thread that talks to sockets. */
function main(process: ProcessName): Target {
  return {
    name: `${process}-main`,
    process,
    thread: "main",
    trap: async (world) => ({
      threads: (await threadsOf(pidOf(world, process))).main,
      calls: FILE_CALLS,
    }),
  };
}

/** All other file work of node: the thread pool and threads of our own. */
function rest(process: ProcessName): Target {
  return {
    name: `${process}-pool`,
    process,
    thread: "other",
    trap: async (world) => ({
      threads: (await threadsOf(pidOf(world, process))).rest,
      calls: CALLS,
    }),
  };
}

/** The operator's log. */
function log(process: ProcessName): Target {
  return {
    name: `${process}-log`,
    process,
    thread: "main",
    trap: async (world) => ({
      threads: (await threadsOf(pidOf(world, process))).main,
      calls: ["write"],
      onlyPath: logOf(world, process),
    }),
  };
}

/** Redis writes its file on the main thread and syncs it on another. */
const redis: readonly Target[] = [
  {
    name: "redis-main",
    process: "redis",
    trap: async (world) => {
      const dir = join(world.tatara.dataDir, "redis", "appendonlydir");
      const file = (await readdir(dir)).find((name) => name.endsWith(".incr.aof")) ?? "";
      return {
        threads: (await threadsOf(pidOf(world, "redis"))).main,
        calls: ["write"],
        onlyPath: join(dir, file),
      };
    },
  },
  {
    name: "redis-sync",
    process: "redis",
    trap: async (world) => ({
      threads: (await threadsOf(pidOf(world, "redis"))).rest,
      calls: ["fdatasync", "fsync"],
    }),
  },
];

export const TARGETS: readonly Target[] = [
  main("server"),
  rest("server"),
  log("server"),
  main("build"),
  rest("build"),
  log("build"),
  main("publish"),
  rest("publish"),
  log("publish"),
  log("report"),
  ...redis,
];

/** What git does for the server (a push comes in) and for the build worker (it fetches). */
export const GIT_TARGETS = [
  { name: "git-receive", word: "POST", calls: CALLS },
  { name: "git-fetch", word: "fetch", calls: CALLS },
] as const;
