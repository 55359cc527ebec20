import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Env } from "../../shared/config.ts";
import type { ApiClient } from "../api-client.ts";
import { CommandError } from "../exit-codes.ts";
import { checksOf } from "./check.ts";
import type { Check } from "./check.ts";
import { checkPackages } from "./packages.ts";

const { ok, warn, fail } = checksOf("Server");
const REDIS_TIMEOUT_MS = 3_000;

/** The server, and what only it can tell. Nothing more is asked of one that does not answer. */
export async function checkServer(
  api: ApiClient,
  dataDir: string,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const startedAt = performance.now();
  try {
    const { status, problems, warnings } = await api.health();
    const ms = (performance.now() - startedAt).toFixed(0);
    return [
      ok("answer", `${api.url} says ${status}, in ${ms} ms`),
      ...problems.map((problem) => fail("health", problem, "look into the log folder of the data")),
      ...warnings.map((warning) => warn("health", warning)),
      await checkToken(api),
      ...(await checkPackages(api, dataDir, signal)),
    ];
  } catch (err) {
    if (!(err instanceof CommandError)) throw err;
    return [fail("answer", err.message, "npm start, or set TATARA_URL to the address of yours")];
  }
}

async function checkToken(api: ApiClient): Promise<Check> {
  try {
    await api.builds({ limit: 1 });
    return ok("token", "accepted");
  } catch (err) {
    if (!(err instanceof CommandError)) throw err;
    return fail("token", err.message, "export TATARA_TOKEN=$(cat data/admin-token)");
  }
}

/**
 * Asked directly: the policy decides whether tickets survive a full memory. Nothing is said where
 * Redis is not of this machine; the server's own health says whether it reaches it.
 */
export async function checkRedis(env: Env, dataDir: string): Promise<readonly Check[]> {
  const socket = join(dataDir, "redis", "redis.sock");
  const given = env["TATARA_REDIS_URL"];
  return given === undefined && !existsSync(socket) ? [] : [await askRedis(given, socket)];
}

async function askRedis(given: string | undefined, socket: string): Promise<Check> {
  // Loaded here, because it would double the time that every other command takes to start.
  const { producerConnection, readMemoryPolicy } = await import("../../shared/redis.ts");
  const redis = producerConnection(given ?? socket);
  // The answer to the question below says it.
  redis.on("error", () => undefined);
  try {
    const startedAt = performance.now();
    await withLimit(redis, (ready) => redis.once("ready", ready));
    const policy = await readMemoryPolicy(redis);
    const version = /^redis_version:(.+)$/m.exec(await redis.info("server"))?.[1]?.trim();
    const ms = (performance.now() - startedAt).toFixed(1);
    const where = given === undefined ? "embedded" : "external";
    const evidence = `${where} ${version ?? ""}, ${policy ?? "policy unknown"}, ${ms} ms`;
    if (policy === undefined || policy === "noeviction") return ok("redis", evidence);
    return fail(
      "redis",
      `${evidence}: tickets may vanish`,
      "redis-cli CONFIG SET maxmemory-policy noeviction",
    );
  } catch (err) {
    const message = err instanceof Error ? err.message : String(err);
    const fix = given === undefined ? "npm start" : "look at the Redis that TATARA_REDIS_URL names";
    return warn("redis", `${message}: builds start up to 30 s late, nothing is lost`, fix);
  } finally {
    redis.disconnect();
  }
}

async function withLimit(
  redis: { on(event: "error", listener: (err: Error) => void): unknown },
  onReady: (resolve: () => void) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  onReady(resolve);
  redis.on("error", reject);
  const timer = setTimeout(() => reject(new Error("no answer")), REDIS_TIMEOUT_MS);
  await promise.finally(() => clearTimeout(timer));
}
