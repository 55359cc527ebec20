import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { processesOf } from "../../invariants/processes.ts";
import type { EngineView, ForgeView, KnownSecret, World } from "../../invariants/world.ts";
import type { Env } from "../../shared/config.ts";
import { engineApi } from "../engine-api.ts";
import { signatureChecker } from "../yum/check-signature.ts";
import { githubStatuses } from "./github-statuses.ts";

const WAITING_BUILDS_MAX = 1_000;
const WORKER_LABEL = "dev.tatara.worker";
const IMAGE_LABEL = "dev.tatara.image";
/** Settings whose values nobody may find anywhere. */
const SECRET_SETTINGS = [
  "TATARA_ADMIN_TOKEN",
  "TATARA_GITHUB_WEBHOOK_SECRET",
  "TATARA_GITHUB_READ_TOKEN",
  "TATARA_GITHUB_STATUS_TOKEN",
] as const;

export interface WorldOptions {
  readonly dataDir: string;
  readonly env: Env;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export type OpenWorld = World & AsyncDisposable;

/** The Tatara of a data folder, with all that can be asked from this machine. */
export async function readWorld(options: WorldOptions): Promise<OpenWorld> {
  const { dataDir, env, signal, now } = options;
  const processes = await processesOf(dataDir);
  const has = (name: string): boolean => processes.some((one) => one.name === name);
  // Who runs here knows better than this shell.
  const told = (of: "redisUrl" | "dockerHost"): string | undefined =>
    processes.map((one) => one[of]).find((value) => value !== undefined);
  const redisUrl = told("redisUrl") ?? env["TATARA_REDIS_URL"];
  const queues = redisUrl === undefined ? undefined : await openQueues(redisUrl);
  const dockerHost = told("dockerHost") ?? env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const engine = await openEngine(dockerHost, signal);
  const github = githubOf(env, signal);
  return {
    dataDir,
    now,
    signal,
    isServing: has("server"),
    isWorking: has("build"),
    isSettled: false,
    ...(engine === undefined ? {} : { engine }),
    ...(queues === undefined ? {} : { queues }),
    forges: github === undefined ? {} : { github },
    secrets: await knownSecrets(dataDir, env),
    processes: () => processesOf(dataDir),
    verifySignature: signatureOf(dataDir, signal),
    waitingBuildsMax: Number(env["TATARA_WAITING_BUILDS_MAX"] ?? WAITING_BUILDS_MAX),
    [Symbol.asyncDispose]: async () => queues?.[Symbol.dispose](),
  };
}

/** Loaded here, because it would double the time that every other command takes to start. */
async function openQueues(redisUrl: string) {
  const { readQueues } = await import("../../shared/queue-contents.ts");
  return await readQueues(redisUrl).catch(() => undefined);
}

async function openEngine(
  dockerHost: string,
  signal: AbortSignal,
): Promise<EngineView | undefined> {
  const api = engineApi(dockerHost, signal);
  const isThere = await api.version().then(
    () => true,
    () => false,
  );
  signal.throwIfAborted();
  if (!isThere) return undefined;
  return {
    things: async () =>
      (await api.labelledThings(WORKER_LABEL)).map(({ kind, name, labels }) => ({
        kind,
        name,
        workerId: labels[WORKER_LABEL] ?? "",
        jobId: labels["dev.tatara.job"] ?? "",
        attempt: Number(labels["dev.tatara.attempt"] ?? 0),
      })),
    imageHistories: () => api.imageHistories(IMAGE_LABEL),
  };
}

function githubOf(env: Env, signal: AbortSignal): ForgeView | undefined {
  const token = env["TATARA_GITHUB_STATUS_TOKEN"];
  const url = (env["TATARA_GITHUB_API_URL"] ?? "https://api.github.com").replace(/\/+$/, "");
  return token === undefined ? undefined : githubStatuses(url, token, signal);
}

async function knownSecrets(dataDir: string, env: Env): Promise<readonly KnownSecret[]> {
  const admin = await readFile(join(dataDir, "admin-token"), "utf8").catch(() => "");
  const settings = SECRET_SETTINGS.flatMap((name) =>
    (env[name] ?? "").split(",").map((value) => ({ name, value: value.trim() })),
  );
  const file = { name: "admin-token", value: admin.trim(), home: ["admin-token"] };
  const known = [file, ...settings].filter(({ value }) => value !== "");
  // A setting that repeats the file's value has the file as its home.
  return known.map((one) => (one.value === file.value ? { ...one, home: file.home } : one));
}

/** By the public key file that hosts get; it may be replaced while we read. */
function signatureOf(dataDir: string, signal: AbortSignal): World["verifySignature"] {
  return async (path, signaturePath) => {
    const keys = await readFile(join(dataDir, "yum", "keys", "tatara.asc"), "utf8");
    await signatureChecker(keys, signal)(path, signaturePath);
  };
}
