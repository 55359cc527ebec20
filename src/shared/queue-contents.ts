import type { QueueName } from "./queues.ts";
import { producerConnection } from "./redis.ts";
import type { Redis } from "./redis.ts";

const READY_MS = 3_000;
const KEYS_PER_SCAN = 500;
/** Where BullMQ keeps the ids of tickets that are not taken yet, or are just being taken. */
const LISTS = ["wait", "active", "paused"] as const;
const SETS = ["prioritized", "delayed"] as const;

/** Redis, to be looked at: nothing here changes anything. */
export interface QueueContents extends Disposable {
  /** Ids of the tickets of a queue. */
  tickets(queue: QueueName): Promise<readonly string[]>;
  memoryBytes(): Promise<number>;
  /** Every key with what it holds. */
  contents(): AsyncGenerator<{ readonly name: string; readonly bytes: Uint8Array }>;
}

/** Throws when Redis does not answer within a few seconds. */
export async function readQueues(redisUrl: string): Promise<QueueContents> {
  const redis = producerConnection(redisUrl);
  // A failed command says it to its caller.
  redis.on("error", () => undefined);
  try {
    await ready(redis);
  } catch (err) {
    redis.disconnect();
    throw err;
  }
  return {
    tickets: (queue) => ticketsOf(redis, queue),
    memoryBytes: async () => {
      const text = await redis.info("memory");
      return Number(/^used_memory:(\d+)/m.exec(text)?.[1] ?? 0);
    },
    contents: () => contentsOf(redis),
    [Symbol.dispose]: () => redis.disconnect(),
  };
}

async function ready(redis: Redis): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  redis.once("ready", () => resolve());
  const timer = setTimeout(() => reject(new Error("Redis does not answer.")), READY_MS);
  await promise.finally(() => clearTimeout(timer));
}

async function ticketsOf(redis: Redis, queue: QueueName): Promise<readonly string[]> {
  const key = (list: string): string => `tatara:${queue}:${list}`;
  const found = await Promise.all([
    ...LISTS.map((list) => redis.lrange(key(list), 0, -1)),
    ...SETS.map((set) => redis.zrange(key(set), "0", "-1")),
  ]);
  // BullMQ's own markers begin with "0:".
  return found.flat().filter((id) => !id.startsWith("0:"));
}

async function* contentsOf(redis: Redis) {
  for (let cursor = "0"; ;) {
    const [next, keys] = await redis.scan(cursor, "COUNT", KEYS_PER_SCAN);
    for (const name of keys) yield { name, bytes: Buffer.from(await valueOf(redis, name)) };
    if (next === "0") return;
    cursor = next;
  }
}

async function valueOf(redis: Redis, name: string): Promise<string> {
  const type = await redis.type(name);
  const parts = await readOf(redis, name, type);
  return parts.flat(3).join("\n");
}

function readOf(redis: Redis, name: string, type: string): Promise<readonly unknown[]> {
  if (type === "string") return redis.mget(name);
  if (type === "hash") return redis.hgetall(name).then(Object.entries);
  if (type === "list") return redis.lrange(name, 0, -1);
  if (type === "set") return redis.smembers(name);
  if (type === "zset") return redis.zrange(name, "0", "-1");
  if (type === "stream") return redis.xrange(name, "-", "+");
  return Promise.resolve([]);
}
