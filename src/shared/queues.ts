import { Queue, Worker } from "bullmq";
import { consumerConnection, producerConnection } from "./redis.ts";
import type { Logger } from "./logger.ts";

/** The three queues. A ticket in one of them only says "there is work"; the server decides who gets it. */
export const QUEUE_NAMES = ["build", "publish", "report"] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

/** Wakes one server at the instants that schedules name. */
export const SCHEDULE_QUEUE = "schedule";

/**
 * Tickets in all queues together. Beyond that a build waits in the database alone, until the reconciler
 * finds it due and there is room: a backlog of any size costs Redis no more memory than this.
 */
export const TICKETS_MAX = 20_000;
const COUNT_AGAIN_MS = 1_000;
/** Work that the unprompted question found, so often in a row without a ticket: the consumer is deaf. */
const UNANNOUNCED_MAX = 2;
/** A consumer asks Redis again after so long: what is silent for longer is dead, see `redis.ts`. */
const WAIT_SECONDS = 3;
/** After a question to Redis that failed. BullMQ's own 15 s would be all the time that there is. */
const RETRY_MS = 1_000;
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
  /** Tests lower it. */
  readonly ticketsMax?: number;
}): Tickets {
  const { logger, ticketsMax = TICKETS_MAX } = options;
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

  let counted = { tickets: Infinity, at: -Infinity };
  /** Counts again only where the cap may have been reached. */
  const roomFor = async (wanted: number): Promise<number> => {
    const isOld = performance.now() - counted.at > COUNT_AGAIN_MS;
    if (counted.tickets + wanted > ticketsMax && isOld) {
      const depths = QUEUE_NAMES.map(async (name) => (await queueOf(name)).count());
      const tickets = (await Promise.all(depths)).reduce((sum, depth) => sum + depth, 0);
      counted = { tickets, at: performance.now() };
    }
    return Math.max(0, Math.min(wanted, ticketsMax - counted.tickets));
  };
  const addAll: Tickets["addAll"] = async (name, ids) => {
    const taken = ids.length === 0 ? [] : ids.slice(0, await roomFor(ids.length));
    if (taken.length === 0) return;
    await (await queueOf(name)).addBulk(taken.map(ticket));
    counted.tickets += taken.length;
  };

  return {
    add: (name, id) => addAll(name, [id]),
    addAll,
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
  /**
   * Work was found that no ticket announced. Twice in a row means that tickets do not reach us although
   * all connections look well, and the consumer is closed and opened anew.
   */
  foundUnannounced(): void;
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
  const { logger, queue } = options;
  let unannounced = 0;
  const onTicket = async (): Promise<void> => {
    unannounced = 0;
    await options.onTicket();
  };
  let current = openConsumer({ ...options, onTicket });
  let isClosed = false;
  return {
    foundUnannounced: () => {
      unannounced += 1;
      if (unannounced < UNANNOUNCED_MAX || isClosed) return;
      unannounced = 0;
      logger.warn({ queue }, "Tickets do not arrive: listening anew");
      const deaf = current;
      current = openConsumer({ ...options, onTicket });
      void deaf.close(true);
    },
    close: async () => {
      isClosed = true;
      await current.close(false);
    },
  };
}

function openConsumer(options: Parameters<typeof consumeTickets>[0]) {
  const connection = consumerConnection(options.redisUrl);
  connection.on("error", (err) => options.logger.debug({ err }, "Redis connection error"));
  const consumer = new Worker(options.queue, () => options.onTicket(), {
    connection,
    prefix: PREFIX,
    concurrency: 1,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    drainDelay: WAIT_SECONDS,
    runRetryDelay: RETRY_MS,
  });
  consumer.on("error", (err) => options.logger.debug({ err }, "Consumer error"));
  consumer.on("failed", (_ticket, err) => {
    options.logger.warn({ err, queue: options.queue }, "Ticket could not be taken");
  });
  return {
    close: async (isDeaf: boolean): Promise<void> => {
      // A Redis that is away, or goes away meanwhile, is not waited for: no ticket is held that would
      // have to go back to it.
      const isAway = isDeaf || connection.status !== "ready";
      const lost = Promise.withResolvers<void>();
      connection.once("close", lost.resolve);
      const closed = consumer.close(isAway).catch(() => undefined);
      if (!isAway) await Promise.race([closed, lost.promise]);
      connection.disconnect();
    },
  };
}
