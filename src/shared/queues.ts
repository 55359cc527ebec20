import { Queue, Worker } from "bullmq";
import { consumerConnection, producerConnection } from "./redis.ts";
import type { Logger } from "./logger.ts";

/** The three queues. A ticket in one of them only says "there is work"; the server decides who gets it. */
export const QUEUE_NAMES = ["build", "publish", "report"] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

/** Wakes one server at the instants that schedules name. */
export const SCHEDULE_QUEUE = "schedule";

const LOCK_MS = 30_000;
const STALLED_CHECK_MS = 15_000;
const PREFIX = "tatara";

export interface Tickets {
  /** Announces work. Fails fast while Redis is away: whoever calls leaves it to the reconciler. */
  add(queue: QueueName, id: string): Promise<void>;
  /** Announces many; those whose ticket still exists are left as they are. */
  addAll(queue: QueueName, ids: readonly string[]): Promise<void>;
  depth(queue: QueueName): Promise<number>;
  close(): Promise<void>;
}

/**
 * The producers' side, for the server. Tickets carry an id and no truth. `onConnect` is called each
 * time Redis can be reached again, which is when tickets may be missing.
 */
export function openTickets(options: {
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly onConnect: () => void;
}): Tickets {
  const { logger } = options;
  const connection = producerConnection(options.redisUrl);
  // Each failed command is told to its caller; without a listener the connection's errors would end us.
  connection.on("error", (err) => logger.debug({ err }, "Redis connection error"));
  connection.on("ready", () => options.onConnect());
  const queues = new Map<QueueName, Promise<Queue>>();

  // A queue that is made while Redis is away never recovers, so it is made when first used with success.
  const openQueue = async (name: QueueName): Promise<Queue> => {
    const queue = new Queue(name, { connection, prefix: PREFIX });
    queue.on("error", (err) => logger.debug({ err, queue: name }, "Queue error"));
    await queue.waitUntilReady();
    return queue;
  };
  const queueOf = async (name: QueueName): Promise<Queue> => {
    if (connection.status !== "ready") throw new Error("Redis cannot be reached now.");
    const queue = queues.get(name) ?? openQueue(name);
    queues.set(name, queue);
    queue.catch(() => queues.delete(name));
    return await queue;
  };
  const ticket = (id: string) => ({
    name: "ticket",
    data: { v: 1, id },
    opts: { jobId: id, removeOnComplete: true, removeOnFail: true },
  });

  return {
    add: async (name, id) => {
      await (await queueOf(name)).addBulk([ticket(id)]);
    },
    addAll: async (name, ids) => {
      if (ids.length > 0) await (await queueOf(name)).addBulk(ids.map(ticket));
    },
    depth: async (name) => (await queueOf(name)).count(),
    close: async () => {
      const closing = [...queues.values()].map(async (queue) => (await queue).close());
      await Promise.allSettled(closing);
      connection.disconnect();
    },
  };
}

/** An instant that comes again and again; its id names it, so that many may say it and it is one. */
export interface Scheduled {
  readonly id: string;
  readonly repo: string;
  /** Five fields of cron, in UTC. */
  readonly pattern: string;
}

export interface Schedulers {
  /** From now on there are these and no others. Rejects while Redis is away. */
  set(scheduled: readonly Scheduled[]): Promise<void>;
  close(): Promise<void>;
}

/** The producers' side of schedules: Redis makes one ticket a tick, however many servers ask for it. */
export function openSchedulers(options: {
  readonly redisUrl: string;
  readonly logger: Logger;
}): Schedulers {
  const connection = producerConnection(options.redisUrl);
  connection.on("error", (err) => options.logger.debug({ err }, "Redis connection error"));
  let opened: Promise<Queue> | undefined;
  const open = async (): Promise<Queue> => {
    const queue = new Queue(SCHEDULE_QUEUE, { connection, prefix: PREFIX });
    queue.on("error", (err) => options.logger.debug({ err }, "Queue error"));
    await queue.waitUntilReady();
    return queue;
  };
  const queueNow = async (): Promise<Queue> => {
    if (connection.status !== "ready") throw new Error("Redis cannot be reached now.");
    opened ??= open();
    opened.catch(() => {
      opened = undefined;
    });
    return await opened;
  };
  return {
    set: async (scheduled) => {
      const queue = await queueNow();
      const known = new Set((await queue.getJobSchedulers(0, -1)).map(({ key }) => key));
      const wanted = new Set(scheduled.map(({ id }) => id));
      for (const { id, repo, pattern } of scheduled) {
        if (known.has(id)) continue;
        const ticket = { name: "ticket", data: { v: 1, id: repo } };
        const opts = { removeOnComplete: true, removeOnFail: true };
        await queue.upsertJobScheduler(id, { pattern, tz: "UTC" }, { ...ticket, opts });
      }
      for (const id of known) if (!wanted.has(id)) await queue.removeJobScheduler(id);
    },
    close: async () => {
      await Promise.allSettled([opened?.then((queue) => queue.close())]);
      connection.disconnect();
    },
  };
}

export interface Consumer {
  /** Takes no more tickets; resolves when the current `onTicket` has ended. */
  close(): Promise<void>;
}

/**
 * Calls `onTicket` for each ticket, one after the other. It returns once the work was claimed, not
 * when it is done, so a ticket lives for milliseconds and a slow job never stalls one.
 */
export function consumeTickets(options: {
  readonly queue: QueueName | typeof SCHEDULE_QUEUE;
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly onTicket: () => Promise<void>;
}): Consumer {
  const connection = consumerConnection(options.redisUrl);
  connection.on("error", (err) => options.logger.debug({ err }, "Redis connection error"));
  const consumer = new Worker(options.queue, () => options.onTicket(), {
    connection,
    prefix: PREFIX,
    concurrency: 1,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    drainDelay: 5,
  });
  consumer.on("error", (err) => options.logger.debug({ err }, "Consumer error"));
  consumer.on("failed", (_ticket, err) => {
    options.logger.warn({ err, queue: options.queue }, "Ticket could not be taken");
  });
  return {
    close: async () => {
      // A Redis that is away is not waited for: no ticket is held that would have to go back to it.
      const isAway = connection.status !== "ready";
      const closed = consumer.close(isAway).catch(() => undefined);
      if (!isAway) await closed;
      connection.disconnect();
    },
  };
}
