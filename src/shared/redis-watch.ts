import { producerConnection, readMemoryPolicy, type Redis } from "./redis.ts";
import { redisAway, redisPlace, redisReason } from "./redis-address.ts";
import type { Logger } from "./logger.ts";

/** Told by whoever looks at Redis; nothing of Tatara waits for it. */
export interface RedisWatch {
  /** What a start has to know. Undefined: Redis is away, or does not say, and nothing is refused. */
  policyAtStart(): Promise<string | undefined>;
  /** What an operator should know, as it was at the last look. */
  warnings(): readonly string[];
  /** While it is away, where it should be and why it cannot be reached: `host:6379, ECONNREFUSED`. */
  awayBecause(): string | undefined;
  /** Looks now, beside the looks of its own. Never throws. */
  look(): Promise<void>;
  close(): void;
}

/** Written by the server and read again: whoever lost it has lost tickets as well. */
const EPOCH_KEY = "tatara:epoch";
const LOOK_EVERY_MS = 10_000;
/** A start does not wait longer for a Redis that says nothing. */
const START_MS = 1_500;
const FULL_PART = 0.8;
const FORGOTTEN_TOLD_MS = 3_600_000;
const MIB = 2 ** 20;
const WORDS_MAX = 300;

interface Seen {
  readonly policy: string | undefined;
  readonly usedBytes: number;
  /** 0: as much as there is. */
  readonly maxBytes: number;
}

/**
 * Looks after each reconnect and every 10 s whether Redis still holds what it held, and how full it
 * is. `onForgotten` is called when tickets are lost: emptied, replaced, or fallen back to an old state.
 */
export function openRedisWatch(options: {
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly now: () => number;
  /** Different for each life of the server. */
  readonly newEpoch: () => string;
  readonly onForgotten: () => void;
}): RedisWatch {
  const { logger, now } = options;
  const connection = producerConnection(options.redisUrl);
  const firstWord = Promise.withResolvers<void>();
  let epoch: string | undefined;
  let seen: Seen | undefined;
  let refusal: string | undefined;
  let forgottenAt: number | undefined;
  let looking: Promise<void> | undefined;
  /** Why the line broke, or could not be opened. */
  let brokenBy: string | undefined;

  const lookOnce = async (): Promise<void> => {
    if (connection.status !== "ready") return;
    const isForgotten = epoch !== undefined && (await connection.get(EPOCH_KEY)) !== epoch;
    // Each look writes a new one, so that a Redis which fell back to an old state shows it.
    const next = options.newEpoch();
    // Its memory or its disk may be full: nothing was lost by that, and the old one stays.
    refusal = await connection.set(EPOCH_KEY, next).then(() => undefined, wordsOf);
    if (refusal === undefined) epoch = next;
    seen = await readSeen(connection);
    if (!isForgotten) return;
    if (forgottenAt === undefined || now() - forgottenAt > FORGOTTEN_TOLD_MS) {
      logger.warn(
        {},
        "Redis lost what it held: missing tickets are written again, nothing is lost",
      );
    }
    forgottenAt = now();
    options.onForgotten();
  };
  const look = async (): Promise<void> => {
    looking ??= lookOnce()
      .catch((err: unknown) => logger.debug({ err }, "Redis does not answer"))
      .finally(() => {
        looking = undefined;
        firstWord.resolve();
      });
    await looking;
  };

  connection.on("error", (err) => {
    firstWord.resolve();
    // Told once for each reason: it is tried again every second.
    const reason = redisReason(err);
    if (reason !== brokenBy && connection.status !== "ready")
      logger.warn({ reason }, `Redis ${redisAway(options.redisUrl, reason)}`);
    brokenBy = reason;
    logger.debug({ err }, "Redis connection error");
  });
  connection.on("ready", () => {
    brokenBy = undefined;
    void look();
  });
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);

  return {
    look,
    policyAtStart: async () => {
      const limit = setTimeout(firstWord.resolve, START_MS);
      await firstWord.promise;
      clearTimeout(limit);
      return seen?.policy;
    },
    warnings: () => [
      ...(refusal === undefined ? [] : [refusedWarning(refusal)]),
      ...(seen === undefined || connection.status !== "ready" ? [] : warningsOf(seen)),
      ...(forgottenAt !== undefined && now() - forgottenAt < FORGOTTEN_TOLD_MS
        ? [
            `Redis lost what it held at ${new Date(forgottenAt).toISOString()}: tickets were written again, nothing is lost`,
          ]
        : []),
    ],
    awayBecause: () =>
      brokenBy === undefined ? undefined : `${redisPlace(options.redisUrl)}, ${brokenBy}`,
    close: () => {
      clearInterval(timer);
      connection.disconnect();
    },
  };
}

async function readSeen(connection: Redis): Promise<Seen> {
  const text = await connection.info("memory");
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*)$`, "m").exec(text)?.[1]?.trim();
  return {
    // Managed ones often forbid CONFIG; INFO says it as well, since Redis 4.
    policy: field("maxmemory_policy") ?? (await readMemoryPolicy(connection)),
    usedBytes: Number(field("used_memory") ?? 0),
    maxBytes: Number(field("maxmemory") ?? 0),
  };
}

function warningsOf({ policy, usedBytes, maxBytes }: Seen): readonly string[] {
  const warnings: string[] = [];
  if (policy !== undefined && !keepsTickets(policy)) {
    warnings.push(
      `Redis may throw tickets away (maxmemory-policy ${policy}): redis-cli CONFIG SET maxmemory-policy noeviction`,
    );
  }
  const part = maxBytes === 0 ? 0 : usedBytes / maxBytes;
  if (part >= FULL_PART) {
    const sizes = `${Math.round(usedBytes / MIB)} of ${Math.round(maxBytes / MIB)} MiB`;
    warnings.push(
      `Redis uses ${Math.round(part * 100)} % of its memory (${sizes}): once it is full, builds start up to 30 s late`,
    );
  }
  return warnings;
}

function wordsOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

/** It answers, and that is all: its disk or its memory is full, or it is somebody's replica. */
function refusedWarning(words: string): string {
  return `Redis takes no writes (${words.slice(0, WORDS_MAX)}): builds start up to 30 s late, nothing is lost, and all goes on by itself once it does`;
}

export function keepsTickets(policy: string): boolean {
  return policy === "noeviction";
}
