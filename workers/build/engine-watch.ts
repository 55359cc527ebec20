import { setTimeout as delay } from "node:timers/promises";
import { InfraFault } from "../../src/domain/faults.ts";
import type { Logger } from "../../src/shared/logger.ts";
import type { Engine } from "./engine.ts";

const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 15_000;

/** Knows whether the engine may be away. Asking it costs too much to do so before each claim. */
export interface EngineWatch {
  /** Returns at once while nothing speaks against the engine, else when it has answered again. */
  ready(signal: AbortSignal): Promise<void>;
  /** A job found that it does not answer. */
  suspect(): void;
}

export function watchEngine(engine: Pick<Engine, "ping">, logger: Logger): EngineWatch {
  let isSuspect = true;
  return {
    ready: async (signal) => {
      if (!isSuspect) return;
      await waitForEngine(engine, logger, signal);
      isSuspect = false;
    },
    suspect: () => void (isSuspect = true),
  };
}

/** While the engine is away no job is claimed, so jobs stay queued. */
async function waitForEngine(
  engine: Pick<Engine, "ping">,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
    try {
      await engine.ping(signal);
      if (pauseMs > PAUSE_FIRST_MS) logger.info({}, "Docker answers again");
      return;
    } catch (err) {
      signal.throwIfAborted();
      if (!(err instanceof InfraFault)) throw err;
      if (pauseMs === PAUSE_FIRST_MS)
        logger.warn({ err }, "Docker unavailable: no jobs are claimed");
      await delay(pauseMs, undefined, { signal });
    }
  }
}
