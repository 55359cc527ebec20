import { consumerConnection, producerConnection } from "./redis.ts";
import type { Logger } from "./logger.ts";

/**
 * Redis's pub/sub: hints that something may have changed. Whoever misses one finds out later by
 * itself, so nothing is kept and nothing is confirmed.
 */
export const TOPICS = {
  /** Message: id of a job that somebody wants cancelled. */
  cancel: "tatara:cancel",
  /** Message: id of a worker that somebody waits for, to enter a container that it kept. */
  shell: "tatara:shell",
} as const;
export type Topic = (typeof TOPICS)[keyof typeof TOPICS];

const MESSAGE_CHARACTERS_MAX = 200;

export interface TopicWriter {
  /** Resolves when Redis took it; fails at once while Redis is away. */
  publish(topic: Topic, message: string): Promise<void>;
  close(): void;
}

export function openTopicWriter(redisUrl: string, logger: Logger): TopicWriter {
  const connection = producerConnection(redisUrl);
  connection.on("error", (err) => logger.debug({ err }, "Redis connection error"));
  return {
    publish: async (topic, message) => {
      await connection.publish(topic, message);
    },
    close: () => connection.disconnect(),
  };
}

export interface Subscription {
  close(): void;
}

/** Listens for as long as the process lives; after a break of the connection it listens again. */
export function subscribe(options: {
  readonly redisUrl: string;
  readonly topic: Topic;
  readonly logger: Logger;
  readonly onMessage: (message: string) => void;
}): Subscription {
  const { topic, logger } = options;
  const connection = consumerConnection(options.redisUrl);
  connection.on("error", (err) => logger.debug({ err }, "Redis connection error"));
  connection.on("message", (_topic: string, message: string) => {
    if (message.length <= MESSAGE_CHARACTERS_MAX) options.onMessage(message);
  });
  // It waits for the connection; ioredis subscribes anew by itself after each reconnect.
  connection.subscribe(topic).catch((err: unknown) => {
    logger.debug({ err, topic }, "Topic not subscribed");
  });
  return { close: () => connection.disconnect() };
}
