import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Env } from "../shared/config.ts";
import { isRedisReady, prepareRedis } from "./processes/embedded-redis.ts";
import { lockDataDir } from "./processes/lock.ts";
import {
  environmentFor,
  MALLOC_SETTINGS,
  NODE_FLAGS,
  PROCESSES,
} from "./processes/process-table.ts";
import type { ProcessName, ProcessSpec, ProcessTable } from "./processes/process-table.ts";
import type { WorkerKind } from "./processes/process-table.ts";
import { readyLine } from "./processes/ready-line.ts";
import type { Ready } from "./processes/ready-line.ts";
import { StartFailed, startProcess } from "./processes/start-process.ts";
import type { Started, StartOptions, SupervisorEvent } from "./processes/start-process.ts";
import type { Launch, Supervised } from "./processes/supervised.ts";

export { DataDirInUse } from "./processes/lock.ts";
export { StartFailed, StartRefused } from "./processes/start-process.ts";
export type { SupervisorEvent } from "./processes/start-process.ts";

const START_TIMEOUT_MS = 60_000;
/** A worker that is not ready by then goes on trying; the server takes pushes meanwhile. */
const WORKER_START_TIMEOUT_MS = 15_000;
/** When each group is ended by force, counted from the start of stopping: 20 s in all. */
const FORCE_AFTER_MS = { workers: 14_000, server: 17_000, redis: 19_000 } as const;

export interface SupervisorOptions {
  readonly dataDir: string;
  /** Where the children's variables come from; each gets its own part only. */
  readonly env: Env;
  readonly processes?: ProcessTable;
  readonly onEvent?: (event: SupervisorEvent) => void;
  /** Ends the start, not what has started. */
  readonly signal: AbortSignal;
}

export type StopKind = "goodbye" | "hand-back";

/** A whole Tatara that runs. */
export interface Supervisor extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  /** The server's newest one-time link. */
  loginUrl(): string | undefined;
  adminToken(): Promise<string>;
  pidOf(process: ProcessName): number | undefined;
  restartCount(process: ProcessName): number;
  kill(process: ProcessName, signal: NodeJS.Signals): void;
  /**
   * Ends workers, server and Redis, in this order. "goodbye": containers run on, and the next start
   * carries on with their builds. "hand-back", which is the default, leaves nothing running.
   */
  stop(how?: StopKind): Promise<void>;
}

/**
 * Starts Redis, the server and the workers, each with its own variables only, and starts again
 * whatever dies. Throws `StartFailed` or `DataDirInUse`, and then nothing is left running.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { dataDir, env, processes = PROCESSES, onEvent = () => undefined, signal } = options;
  await using undo = new AsyncDisposableStack();
  const lock = await lockDataDir(dataDir, signal);
  undo.defer(() => lock.release());

  const running = new Map<ProcessName, Supervised>();
  const start: Start = (startOptions) => {
    const started = startProcess(startOptions, { dataDir, lockFd: lock.fd, onEvent, signal });
    running.set(startOptions.name, started.supervised);
    return started;
  };
  const redis = env["TATARA_REDIS_URL"] === undefined ? await prepareRedis(dataDir) : undefined;
  undo.defer(async () => redis?.dispose());
  let how: StopKind = "hand-back";
  undo.defer(() => endInOrder(running, how));
  if (redis !== undefined) await startRedis(redis, env, start);

  const common = { TATARA_DATA_DIR: dataDir, TATARA_REDIS_URL: redis?.url };
  const tokens = freshTokens();
  const server = await startServer(processes.server, { env, common, tokens, start });
  await startWorkers(processes.workers, { env, common, tokens, start, url: server.url, onEvent });
  signal.throwIfAborted();

  const owned = undo.move();
  let stopped: Promise<void> | undefined;
  const stop = (kind: StopKind = "hand-back") => {
    how = kind;
    return (stopped ??= owned.disposeAsync());
  };
  return {
    url: server.url,
    dataDir,
    loginUrl: () => server.newest().loginUrl,
    adminToken: async () =>
      env["TATARA_ADMIN_TOKEN"] ?? (await readToken(server.newest(), dataDir)),
    pidOf: (name) => running.get(name)?.pid(),
    restartCount: (name) => running.get(name)?.restartCount() ?? 0,
    kill: (name, signal) => running.get(name)?.kill(signal),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

type Start = <R>(options: StartOptions<R>) => Started<R>;
type Tokens = Readonly<Record<WorkerKind, string>>;

interface Parts {
  readonly env: Env;
  readonly common: Env;
  readonly tokens: Tokens;
  readonly start: Start;
}

async function startRedis(
  redis: Awaited<ReturnType<typeof prepareRedis>>,
  env: Env,
  start: Start,
): Promise<void> {
  let failedStarts = 0;
  const { firstReady } = start({
    name: "redis",
    launch: () => redis.launch(environmentFor([], env, {}), failedStarts),
    readyIn: isRedisReady,
    onReady: () => (failedStarts = 0),
    onEnd: ({ wasReady }) => (failedStarts = wasReady ? 0 : failedStarts + 1),
    timeoutMs: START_TIMEOUT_MS,
  });
  await firstReady;
}

async function startServer(spec: ProcessSpec, { env, common, tokens, start }: Parts) {
  let newest: Ready = {};
  const decided = (): Env => ({
    ...common,
    TATARA_BUILD_TOKEN: tokens.build,
    TATARA_PUBLISH_TOKEN: tokens.publish,
    TATARA_REPORT_TOKEN: tokens.report,
    // A server that is started again must be found where it was.
    ...(newest.url === undefined ? {} : { TATARA_PORT: new URL(newest.url).port }),
  });
  const { firstReady } = start<Ready>({
    name: spec.name,
    launch: () => launchOf(spec, env, decided()),
    readyIn: readyLine,
    onReady: (ready) => (newest = ready),
    timeoutMs: START_TIMEOUT_MS,
    mayRefuse: true,
  });
  const { url } = await firstReady;
  if (url === undefined) throw new StartFailed("server did not say where it listens");
  return { url, newest: () => newest };
}

async function startWorkers(
  specs: ProcessTable["workers"],
  parts: Parts & { readonly url: string; readonly onEvent: (event: SupervisorEvent) => void },
): Promise<void> {
  const { env, common, tokens, start, url, onEvent } = parts;
  const started = specs.map(async (spec) => {
    const decided = {
      ...common,
      TATARA_SERVER_URL: url,
      TATARA_WORKER_TOKEN: tokens[spec.name],
    };
    const { firstReady } = start<Ready>({
      name: spec.name,
      launch: () => launchOf(spec, env, decided),
      readyIn: readyLine,
      timeoutMs: WORKER_START_TIMEOUT_MS,
    });
    await firstReady.catch(() => onEvent({ kind: "late", process: spec.name }));
  });
  await Promise.all(started);
}

/** The kernel tells the child when we die, even by kill -9; what runs waits for the next start. */
function launchOf(spec: ProcessSpec, env: Env, decided: Env): Launch {
  return {
    command: "setpriv",
    args: ["--pdeathsig", "TERM", process.execPath, ...NODE_FLAGS, spec.script],
    env: {
      ...MALLOC_SETTINGS,
      ...environmentFor(spec.settings, env, decided),
      ...compileCacheIn(decided),
    },
  };
}

/** Compiled once, a process is back a good deal sooner after its death. */
function compileCacheIn({ TATARA_DATA_DIR: dataDir }: Env): Record<string, string> {
  return dataDir === undefined ? {} : { NODE_COMPILE_CACHE: join(dataDir, "cache", "node") };
}

async function endInOrder(
  running: ReadonlyMap<ProcessName, Supervised>,
  how: StopKind,
): Promise<void> {
  const startedAt = performance.now();
  const groups = {
    workers: ["build", "publish", "report"],
    server: ["server"],
    redis: ["redis"],
  } as const;
  for (const group of ["workers", "server", "redis"] as const) {
    const leftMs = Math.max(0, startedAt + FORCE_AFTER_MS[group] - performance.now());
    const deadline = AbortSignal.timeout(Math.round(leftMs));
    const signal = group === "workers" && how === "hand-back" ? "SIGINT" : "SIGTERM";
    await Promise.all(groups[group].map(async (name) => running.get(name)?.stop(deadline, signal)));
  }
}

function freshTokens(): Tokens {
  const token = () => randomBytes(32).toString("base64url");
  return { build: token(), publish: token(), report: token() };
}

async function readToken(ready: Ready, dataDir: string): Promise<string> {
  const path = ready.adminTokenFile ?? join(dataDir, "admin-token");
  return (await readFile(path, "utf8")).trim();
}
