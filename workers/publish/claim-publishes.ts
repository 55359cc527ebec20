import { setTimeout as delay } from "node:timers/promises";
import { Stopped } from "../../src/domain/stop.ts";
import { PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { publishGrant } from "../../src/shared/publish-grants.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import { VERSION } from "../../src/shared/version.ts";
import { keepLease } from "./keep-lease.ts";

export interface ClaimDeps {
  readonly server: ServerClient;
  readonly worker: string;
  /** Resolves when the publish has ended, however it did. Never rejects. */
  readonly publish: (
    grant: PublishGrant,
    signal: AbortSignal,
    onPrepared: () => void,
  ) => Promise<void>;
  /** The unprompted question found work that nothing had announced. */
  readonly onUnannounced?: () => void;
}

export interface Claimer {
  /** Claims until nothing is granted or all hands are full. Throws if the server does not answer. */
  takeAll(): Promise<void>;
  /** Asks again and again, for the tickets that Redis lost; until shutdown. */
  poll(): Promise<void>;
  /** Resolves when no publish is under way. */
  idle(): Promise<void>;
}

/** Publishes that prepare at once; files are streamed, so what bounds them is the processor. */
const PREPARING_MAX = 16;
/** Those that wait for their turn cost nothing but a heartbeat. */
const CLAIMED_MAX = 256;
const POLL_MS = 30_000;
/** While the server is away: it comes back within seconds. */
const POLL_AGAIN_MS = 1_000;

export function claimPublishes(deps: ClaimDeps, shutdown: AbortSignal): Claimer {
  const running = new Set<Promise<void>>();
  const preparing = new Set<string>();
  let asked = 0;
  let granted = 0;
  let claiming: Promise<void> | undefined;

  const start = (grant: PublishGrant): void => {
    const attempt = `${grant.publishId} ${grant.lease.attempt}`;
    preparing.add(attempt);
    granted += 1;
    // A ticket may have come while all hands were full. What cannot be heard now, the poll hears.
    const lookAgain = (): void => void takeAll().catch(() => undefined);
    const onPrepared = (): void => {
      const wereFull = !hasRoom();
      preparing.delete(attempt);
      if (wereFull) lookAgain();
    };
    const work = runWithLease(grant, deps, { shutdown, onPrepared }).finally(() => {
      running.delete(work);
      lookAgain();
    });
    running.add(work);
  };

  const hasRoom = (): boolean =>
    preparing.size < PREPARING_MAX && running.size < CLAIMED_MAX && !shutdown.aborted;

  const claimAll = async (): Promise<void> => {
    // Whoever asks while we claim may know of work that the last answer did not.
    for (let heard = -1; heard !== asked;) {
      heard = asked;
      while (hasRoom()) {
        const grant = await claim(deps, shutdown);
        if (grant === undefined) break;
        start(grant);
      }
    }
  };

  const takeAll = async (): Promise<void> => {
    asked += 1;
    claiming ??= claimAll().finally(() => {
      claiming = undefined;
    });
    await claiming;
  };

  return {
    takeAll,
    poll: async () => {
      for (let isFirst = true; !shutdown.aborted; isFirst = false) {
        const before = granted;
        const pauseMs = await takeAll().then(
          () => POLL_MS,
          () => POLL_AGAIN_MS,
        );
        if (granted > before && !isFirst) deps.onUnannounced?.();
        const jittered = pauseMs * (0.75 + Math.random() / 2);
        await delay(jittered, undefined, { signal: shutdown }).catch(() => undefined);
      }
    },
    idle: async () => {
      await Promise.all(running);
    },
  };
}

async function claim(
  { server, worker }: ClaimDeps,
  signal: AbortSignal,
): Promise<PublishGrant | undefined> {
  const json = { worker, protocol: PROTOCOL, version: VERSION };
  return await server.ask({ path: PATHS.publishClaim(), json, answer: publishGrant }, signal);
}

/** One signal per lease: cancelled, lease lost, shutting down. */
async function runWithLease(
  grant: PublishGrant,
  { server, publish }: ClaimDeps,
  { shutdown, onPrepared }: { readonly shutdown: AbortSignal; readonly onPrepared: () => void },
): Promise<void> {
  const stop = new AbortController();
  const ended = new AbortController();
  const lease = keepLease({ grant, server, stop: (why) => stop.abort(why) }, ended.signal);
  try {
    await publish(grant, AbortSignal.any([stop.signal, shutdown]), onPrepared);
  } finally {
    ended.abort();
    // Whatever else was begun for this publish, such as another fetch, ends with it.
    stop.abort(new Stopped("lease-lost"));
    await lease;
  }
}
