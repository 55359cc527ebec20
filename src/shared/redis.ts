import { Redis } from "ioredis";

/** Reconnects soon and for ever: Redis may be killed at any moment and comes back. */
const retryStrategy = (times: number): number => Math.min(50 * times, 1_000);

/** For consumers, which wait until Redis is back. */
export function consumerConnection(url: string): Redis {
  return new Redis(url, { retryStrategy, maxRetriesPerRequest: null });
}

/** A Redis that hangs counts as away after this time. */
const PRODUCER_MS = 2_000;

/** For producers, which fail at once while Redis is away: the database holds the truth. */
export function producerConnection(url: string): Redis {
  return new Redis(url, {
    retryStrategy,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: PRODUCER_MS,
  });
}

/** The only memory policy under which BullMQ loses nothing. Undefined when Redis does not say. */
export async function readMemoryPolicy(redis: Redis): Promise<string | undefined> {
  const answer = (await redis.config("GET", "maxmemory-policy")) as unknown;
  return Array.isArray(answer) ? String(answer[1]) : undefined;
}

export type { Redis } from "ioredis";
