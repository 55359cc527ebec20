import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Env } from "../../shared/config.ts";
import { redisAddressProblem, redisAway } from "../../shared/redis-address.ts";
import type { ApiClient } from "../api-client.ts";
import { CommandError } from "../exit-codes.ts";
import { checksOf } from "./check.ts";
import type { Check } from "./check.ts";
import { checkPackages } from "./packages.ts";

const { ok, warn, fail } = checksOf("Server");
const REDIS_TIMEOUT_MS = 3_000;

/** The server, and what only it can tell. Nothing more is asked of one that does not answer. */
export async function checkServer(
  connect: () => Promise<ApiClient>,
  {
    env,
    dataDir,
    signal,
  }: { readonly env: Env; readonly dataDir: string; readonly signal: AbortSignal },
): Promise<readonly Check[]> {
  try {
    const api = await connect();
    const startedAt = performance.now();
    const { status, problems, warnings } = await api.health();
    const ms = (performance.now() - startedAt).toFixed(0);
    return [
      ok("answer", `${api.url} says ${status}, in ${ms} ms`),
      ...problems.map((problem) => fail("health", problem, "look into the log folder of the data")),
      ...warnings.map((warning) => warn("health", warning)),
      await checkToken(api, env),
      ...checkGithub(env),
      ...(await checkPackages(api, dataDir, signal)),
    ];
  } catch (err) {
    if (!(err instanceof CommandError)) throw err;
    const wayOut = err.hint ?? "npm start, or set TATARA_URL to the address of yours";
    return [fail("answer", err.message, wayOut)];
  }
}

/** The server cannot know the report worker's token; whoever has the settings of both can. */
function checkGithub(env: Env): readonly Check[] {
  const isSet = (name: string): boolean => (env[name]?.trim() ?? "") !== "";
  if (!isSet("TATARA_GITHUB_STATUS_TOKEN") || isSet("TATARA_GITHUB_WEBHOOK_SECRET")) return [];
  // It stands among the server's own warnings already, or pushes are polled.
  if (isSet("TATARA_GITHUB_READ_TOKEN") || isSet("TATARA_GITHUB_HOOK_TOKEN")) return [];
  // A machine with workers only says nothing about webhooks.
  if (isSet("TATARA_WORKER_TOKEN") || Number(env["TATARA_POLL_SECONDS"] ?? 0) > 0) return [];
  const evidence = "statuses go to GitHub, and no push comes from it: /webhooks/github is off";
  return [warn("github", evidence, "set TATARA_GITHUB_WEBHOOK_SECRET or TATARA_POLL_SECONDS")];
}

async function checkToken(api: ApiClient, env: Env): Promise<Check> {
  try {
    await api.builds({ limit: 1 });
    return ok("token", "accepted");
  } catch (err) {
    if (!(err instanceof CommandError)) throw err;
    const isWorker = env["TATARA_WORKER_TOKEN"] !== undefined && env["TATARA_TOKEN"] === undefined;
    if (isWorker) return ok("token", "not here: a worker has its own, which reads nothing");
    return fail("token", err.message, err.hint ?? "set TATARA_TOKEN");
  }
}

/**
 * Asked directly: the policy decides whether tickets survive a full memory. Nothing is said where
 * Redis is not of this machine; the server's own health says whether it reaches it.
 */
export async function checkRedis(env: Env, dataDir: string): Promise<readonly Check[]> {
  const socket = join(dataDir, "redis", "redis.sock");
  const given = env["TATARA_REDIS_URL"];
  if (given === undefined)
    return existsSync(socket) ? [await askRedis(socket, "embedded", env)] : [];
  // What cannot be an address is said among the settings.
  if (redisAddressProblem("TATARA_REDIS_URL", given) !== undefined) return [];
  return [await askRedis(given, "external", env)];
}

async function askRedis(url: string, where: "embedded" | "external", env: Env): Promise<Check> {
  // Loaded here, because it would double the time that every other command takes to start.
  const { lookAtRedis } = await import("../../shared/redis-look.ts");
  const seen = await lookAtRedis(url, REDIS_TIMEOUT_MS);
  if (seen.kind === "away") {
    const fix = where === "embedded" ? "npm start" : "start it, or correct TATARA_REDIS_URL";
    return warn("redis", redisAway(url, seen.reason), fix);
  }
  const { version = "", policy, tookMs } = seen;
  const evidence = `${where} ${version}, ${policy ?? "policy unknown"}, ${tookMs.toFixed(1)} ms`;
  if (policy === undefined || policy === "noeviction") return ok("redis", evidence);
  const say = env["TATARA_REDIS_MAY_EVICT"]?.trim() === "true" ? warn : fail;
  const fix = "redis-cli CONFIG SET maxmemory-policy noeviction";
  return say("redis", `${evidence}: tickets may vanish`, fix);
}
