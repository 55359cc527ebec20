import { Redis } from "ioredis";

/** Reconnects soon and for ever: Redis may be killed at any moment and comes back. */
const retryStrategy = (times: number): number => Math.min(50 * times, 1_000);

/**
 * Asked something, and silent for so long: the line is dead, whatever it says, and is opened anew. It
 * exceeds the three seconds for which a consumer lets itself be kept waiting.
 */
const SILENT_MS = 5_000;
/** Lets the kernel find out that nobody is there any more, on lines over which nothing is asked. */
const KEEP_ALIVE_MS = 10_000;
const lines = { retryStrategy, socketTimeout: SILENT_MS, keepAlive: KEEP_ALIVE_MS };

/** For consumers, which wait until Redis is back. */
export function consumerConnection(url: string): Redis {
  return new Redis(url, { ...lines, maxRetriesPerRequest: null });
}

/** A Redis that hangs counts as away after this time. */
const PRODUCER_MS = 2_000;

/** For producers, which fail at once while Redis is away: the database holds the truth. */
export function producerConnection(url: string): Redis {
  return new Redis(url, {
    ...lines,
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
