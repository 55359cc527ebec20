import { resolve } from "node:path";
import {
  readBuildWorkerConfig,
  readPublishWorkerConfig,
  readReportWorkerConfig,
  readServerConfig,
} from "../../shared/config.ts";
import type { Env } from "../../shared/config.ts";
import { namesReadBy } from "../../shared/unknown-settings.ts";

/** Where Tatara itself is installed; processes are started by path, never by import. */
export const INSTALL_DIR = resolve(import.meta.dirname, "../../..");

/**
 * Left alone, V8 lets the young space of each process grow to 128 MiB, though what we make dies young
 * and all that stays fits in 50. The units and compose.yaml say the same.
 */
export const NODE_FLAGS = ["--max-semi-space-size=4"] as const;

/**
 * Left alone, glibc keeps freed buffers for each of some thirty arenas and raises its own limits as it
 * goes. So a process gives back what a flood of output took (measured with `npm run bench -- logs`: the
 * build worker at most 256 MiB instead of 296, no slower). The units and the Dockerfile say the same.
 */
export const MALLOC_SETTINGS = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "65536",
  MALLOC_TRIM_THRESHOLD_: "262144",
} as const;

export const WORKER_KINDS = ["build", "publish", "report"] as const;
export type WorkerKind = (typeof WORKER_KINDS)[number];
export type ProcessName = "redis" | "server" | WorkerKind;

/** One program that the supervisor starts with Node, and the settings it may see. */
export interface ProcessSpec<Name extends ProcessName = ProcessName> {
  readonly name: Name;
  readonly script: string;
  readonly settings: readonly string[];
}

export interface ProcessTable {
  readonly server: ProcessSpec<"server">;
  readonly workers: readonly ProcessSpec<WorkerKind>[];
}

/** Each process sees exactly what its own reader reads: one process, one privilege. */
export const PROCESSES: ProcessTable = {
  server: spec("server", "src/server/main.ts", readServerConfig),
  workers: [
    spec("build", "workers/build/main.ts", readBuildWorkerConfig),
    spec("publish", "workers/publish/main.ts", readPublishWorkerConfig),
    spec("report", "workers/report/main.ts", readReportWorkerConfig),
  ],
};

/** What every program needs to run at all; none of it opens anything of ours. */
export const PASSED_TO_ALL = [
  "PATH",
  "HOME",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "NODE_USE_ENV_PROXY",
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
] as const;

/** The variables of one process: its own part of `env`, and what the supervisor decides for it. */
export function environmentFor(
  settings: readonly string[],
  env: Env,
  decided: Env,
): Record<string, string> {
  const names = [...PASSED_TO_ALL, ...settings];
  const own = names.map((name) => [name, decided[name] ?? env[name]] as const);
  return Object.fromEntries(own.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function spec<Name extends ProcessName>(
  name: Name,
  script: string,
  reader: (env: Env) => unknown,
): ProcessSpec<Name> {
  return { name, script: resolve(INSTALL_DIR, script), settings: namesReadBy(reader) };
}
