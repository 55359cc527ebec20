import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startRedis } from "./a-redis.ts";
import { finishedBuilds } from "./finished-builds.ts";
import type { FinishedBuilds } from "./finished-builds.ts";

/** Redis, server and publish worker as processes; builds come finished, so no engine is needed. */
export interface Yum extends AsyncDisposable {
  readonly url: string;
  readonly dir: string;
  readonly dataDir: string;
  readonly adminToken: string;
  readonly builds: FinishedBuilds;
  readonly serverPid: number;
  /** Changes with each life of the publish worker. */
  publishPid(): number;
  /** JSON of the API as the admin; throws on an answer that is not 2xx. */
  api<T>(path: string, init?: { readonly method?: string; readonly json?: unknown }): Promise<T>;
  /** Ends the publish worker by a signal and waits until it is gone. */
  killPublisher(signal: NodeJS.Signals): Promise<void>;
  /** A new life; resolves once it takes work. */
  startPublisher(env?: Readonly<Record<string, string>>): Promise<void>;
  /** From now on, the `at`-th such system call of one of its threads ends the publish worker. */
  armPublisher(trap: { readonly call: string; readonly at: number }): Promise<void>;
  /** Resolves when the publish worker has ended; rejects after `withinMs`. */
  publisherGone(withinMs: number): Promise<void>;
  operatorLog(process: "server" | "publish"): Promise<string>;
}

export interface YumOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A key made earlier, since making one takes seconds. */
  readonly keysDir?: string;
  readonly keep?: boolean;
  /** Fills the data folder before anything starts. */
  readonly prepare?: (dataDir: string) => Promise<void>;
}

const TOKENS = {
  admin: "an-admin-token-for-tests",
  build: "a-build-token-for-tests",
  publish: "a-publish-token-for-tests",
  report: "a-report-token-for-tests",
  webhook: "a-webhook-secret-for-tests",
};

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

export async function startYum(options: YumOptions = {}): Promise<Yum> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-yum-"));
  const dataDir = join(dir, "data");
  if (options.keysDir) await cp(options.keysDir, join(dataDir, "keys"), { recursive: true });
  await options.prepare?.(dataDir);
  const redis = await startRedis();
  const base = {
    PATH: process.env["PATH"] ?? "",
    TMPDIR: dir,
    TATARA_DATA_DIR: dataDir,
    TATARA_REDIS_URL: redis.url,
    TATARA_LOG_LEVEL: "info",
    ...options.env,
  };
  const server = start("src/server/main.ts", join(dir, "server.log"), {
    ...base,
    TATARA_PORT: "0",
    TATARA_ADMIN_TOKEN: TOKENS.admin,
    TATARA_BUILD_TOKEN: TOKENS.build,
    TATARA_PUBLISH_TOKEN: TOKENS.publish,
    TATARA_REPORT_TOKEN: TOKENS.report,
    TATARA_GITHUB_WEBHOOK_SECRET: TOKENS.webhook,
    TATARA_DEFAULT_TARGET: "debian12.x86_64",
  });
  const ready = await server.ready.catch(async (err: unknown) => {
    await redis[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    throw err;
  });
  const { url } = ready as { url: string };
  let publisher: Started | undefined;

  const yum: Yum = {
    url,
    dir,
    dataDir,
    adminToken: TOKENS.admin,
    builds: finishedBuilds({
      url,
      adminToken: TOKENS.admin,
      buildToken: TOKENS.build,
      webhookSecret: TOKENS.webhook,
    }),
    serverPid: server.child.pid ?? 0,
    publishPid: () => publisher?.child.pid ?? 0,
    api: async <T>(path: string, init: { method?: string; json?: unknown } = {}) => {
      const response = await fetch(url + path, {
        method: init.method ?? (init.json === undefined ? "GET" : "POST"),
        headers: {
          authorization: `Bearer ${TOKENS.admin}`,
          ...(init.json === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(init.json === undefined ? {} : { body: JSON.stringify(init.json) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return (text === "" ? undefined : JSON.parse(text)) as T;
    },
    killPublisher: async (signal) => {
      if (publisher !== undefined) await end(publisher.child, signal);
    },
    startPublisher: async (env = {}) => {
      publisher = start("workers/publish/main.ts", join(dir, "publish.log"), {
        ...base,
        TATARA_SERVER_URL: url,
        TATARA_WORKER_TOKEN: TOKENS.publish,
        TATARA_WORKER_NAME: "publish-test",
        ...env,
      });
      await publisher.ready;
    },
    armPublisher: async ({ call, at }) => {
      if (publisher !== undefined) await trap(publisher.child, call, at);
    },
    publisherGone: async (withinMs) => {
      const child = publisher?.child;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      await once(child, "exit", { signal: AbortSignal.timeout(withinMs) });
    },
    operatorLog: (name) => readFile(join(dir, `${name}.log`), "utf8"),
    [Symbol.asyncDispose]: async () => {
      if (publisher !== undefined) await end(publisher.child, "SIGTERM");
      await end(server.child, "SIGTERM");
      await redis[Symbol.asyncDispose]();
      if (!options.keep) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  try {
    await yum.startPublisher();
    return yum;
  } catch (err) {
    await yum[Symbol.asyncDispose]();
    throw err;
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly ready: Promise<unknown>;
}

const READY_MS = 240_000;
const END_MS = 20_000;

function start(file: string, log: string, env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [pathOf(file)], { env, stdio: ["ignore", "pipe", "pipe"] });
  const written = createWriteStream(log, { flags: "a" });
  child.stderr.pipe(written);
  return { child, ready: firstLine(child, log) };
}

async function firstLine(child: ChildProcess, log: string): Promise<unknown> {
  const stdout = child.stdout;
  if (stdout === null) throw new Error("The process has no output.");
  const limit = setTimeout(() => child.kill("SIGKILL"), READY_MS);
  try {
    for await (const line of createInterface({ input: stdout })) return JSON.parse(line) as unknown;
    throw new Error(`The process ended before it was ready:\n${await readFile(log, "utf8")}`);
  } finally {
    clearTimeout(limit);
    stdout.resume();
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  const limit = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await exited;
  clearTimeout(limit);
}

/** strace attaches to all threads, says so, and ends with them. */
async function trap(child: ChildProcess, call: string, at: number): Promise<void> {
  const inject = `inject=${call}:signal=SIGKILL:when=${at}`;
  const args = [
    "-f",
    "-e",
    `trace=${call}`,
    "-e",
    inject,
    "-o",
    "/dev/null",
    "-p",
    String(child.pid),
  ];
  const strace = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  for await (const line of createInterface({ input: strace.stderr })) {
    if (/attached/.test(line)) break;
    if (strace.exitCode !== null) throw new Error(`strace: ${line}`);
  }
  strace.stderr.resume();
}
