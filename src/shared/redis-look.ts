import { producerConnection, readMemoryPolicy } from "./redis.ts";
import type { Redis } from "./redis.ts";
import { redisReason } from "./redis-address.ts";

export type RedisLook =
  | {
      readonly kind: "reached";
      readonly version: string | undefined;
      /** Undefined where it does not say. */
      readonly policy: string | undefined;
      readonly tookMs: number;
    }
  /** `reason` in few words, such as `ECONNREFUSED`; never a password. */
  | { readonly kind: "away"; readonly reason: string };

/** Asks a Redis once, and no longer than this; never throws. */
export async function lookAtRedis(url: string, timeoutMs: number): Promise<RedisLook> {
  const redis = producerConnection(url);
  const startedAt = performance.now();
  try {
    await readyWithin(redis, timeoutMs);
    const policy = await readMemoryPolicy(redis);
    const version = /^redis_version:(.+)$/m.exec(await redis.info("server"))?.[1]?.trim();
    return { kind: "reached", version, policy, tookMs: performance.now() - startedAt };
  } catch (err) {
    return { kind: "away", reason: redisReason(err) };
  } finally {
    redis.disconnect();
  }
}

/** The first error counts: an address that refuses now is not waited for. */
async function readyWithin(redis: Redis, timeoutMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  redis.once("ready", resolve);
  redis.on("error", reject);
  const noAnswer = () => reject(new Error(`no answer in ${timeoutMs / 1_000} s`));
  const timer = setTimeout(noAnswer, timeoutMs);
  await promise.finally(() => clearTimeout(timer));
}
