import { setTimeout as delay } from "node:timers/promises";
import { CRASH_WINDOW_MS } from "../../src/domain/life/return-of-worker.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { buildGrant } from "../../src/shared/build-messages.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import { VERSION } from "../../src/shared/version.ts";
import type { EngineWatch } from "./engine-watch.ts";

const IDLE_ASK_MS = 30_000;

export interface Claims {
  /**
   * Claims one job if there is one and lets it run in the background. Waits while all slots are
   * busy, so that a ticket is only taken by a worker that can serve it.
   */
  claimOne(): Promise<"claimed" | "nothing">;
  /**
   * Goes on with jobs that an earlier life had begun. A careful worker goes on with one after the other
   * and claims nothing meanwhile, until its last crash is long ago.
   */
  resume(jobs: readonly (() => Promise<void>)[], isCareful: boolean): void;
  /** Asks now and then without being told, so that builds go on without any tickets at all. */
  askWhileIdle(): Promise<void>;
}

export interface ClaimsDeps {
  readonly client: ServerClient;
  readonly engine: Pick<EngineWatch, "ready">;
  readonly workerId: string;
  readonly slots: number;
  readonly run: (grant: BuildGrant) => Promise<void>;
  readonly shutdown: AbortSignal;
  readonly logger: Logger;
  readonly random: () => number;
  /** The unprompted question found work that nothing had announced. */
  readonly onUnannounced?: () => void;
  readonly carefulMs?: number;
}

export function openClaims(deps: ClaimsDeps): Claims {
  const { client, workerId, shutdown, logger, carefulMs = CRASH_WINDOW_MS } = deps;
  const running = new Set<Promise<void>>();
  const slots = slotPool(deps.slots);

  const claim = async (): Promise<BuildGrant | undefined> => {
    await deps.engine.ready(shutdown);
    const json = { worker: workerId, protocol: PROTOCOL, version: VERSION, slots: deps.slots };
    // `send` waits for the server; its type does not say that there may be nothing (204).
    const call = { path: PATHS.buildClaim(), json, answer: buildGrant };
    const grant: BuildGrant | undefined = await client.send(call, shutdown);
    return grant;
  };
  const run = async (job: () => Promise<void>): Promise<void> => {
    try {
      await job();
    } catch (err) {
      logger.error({ err }, "Job ended by a bug of the worker");
    } finally {
      slots.give();
    }
  };
  const track = (work: Promise<void>): void => {
    running.add(work);
    // One ticket may stand for many jobs, so whoever becomes free asks for the next.
    void work.finally(() => {
      running.delete(work);
      if (!shutdown.aborted) claimOne().catch(() => undefined);
    });
  };
  /** While a careful worker resumes, it claims nothing. */
  let mayClaim: Promise<unknown> = Promise.resolve();

  const claimOne = async (): Promise<"claimed" | "nothing"> => {
    await mayClaim;
    await slots.take(shutdown);
    const grant = await claim().catch((err: unknown) => {
      slots.give();
      throw err;
    });
    if (grant === undefined) {
      slots.give();
      return "nothing";
    }
    const { jobId, lease, build } = grant;
    logger.info({ jobId, attempt: lease.attempt, buildId: build.id }, "Job claimed");
    track(run(() => deps.run(grant)));
    return "claimed";
  };

  return {
    claimOne,
    resume: (jobs, isCareful) => {
      const waiting = delay(isCareful ? carefulMs : 0, undefined, { signal: shutdown, ref: false });
      const over = waiting.catch(() => undefined);
      let last: Promise<unknown> = Promise.resolve();
      for (const job of jobs) {
        const turn = isCareful ? Promise.race([last, over]) : Promise.resolve();
        const work = turn.then(() => slots.take(shutdown)).then(() => run(job));
        last = work.catch(() => undefined);
        track(work.catch(() => undefined));
      }
      if (isCareful) mayClaim = Promise.race([last, over]);
    },
    askWhileIdle: async () => {
      for (let isFirst = true; !shutdown.aborted;) {
        const claimed = await claimOne().catch((err: unknown) => {
          if (!shutdown.aborted) logger.warn({ err }, "No job claimed");
          return "nothing";
        });
        // What waited at our start was announced before we listened.
        if (claimed === "claimed" && !isFirst) deps.onUnannounced?.();
        if (claimed === "claimed") continue;
        isFirst = false;
        // Jitter, so that many workers do not ask at the same moment.
        const pauseMs = IDLE_ASK_MS * (0.5 + deps.random());
        await delay(pauseMs, undefined, { signal: shutdown }).catch(() => undefined);
      }
    },
  };
}

function slotPool(count: number) {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    take: async (signal: AbortSignal): Promise<void> => {
      signal.throwIfAborted();
      if (free > 0) {
        free -= 1;
        return;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.push(resolve);
      await promise.finally(() => signal.removeEventListener("abort", onAbort));
    },
    give: (): void => {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    },
  };
}
