import { setTimeout as delay } from "node:timers/promises";
import { InfraFault } from "../../src/domain/faults.ts";
import type { Logger } from "../../src/shared/logger.ts";
import type { Engine } from "./engine.ts";
import { raceAbort } from "./race-abort.ts";

const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 5_000;
/** So long its last answer counts for claims: many come together. */
const FRESH_MS = 250;
/** An idle worker looks too, so that people hear of it before a push does. */
const LOOK_EVERY_MS = 5_000;

/** Knows whether the engine is there. */
export interface EngineWatch {
  /** Returns once the engine has answered just now; waits while it is away. */
  ready(signal: AbortSignal): Promise<void>;
  /** A job found that it does not answer. */
  suspect(): void;
  /** Looks at it now and then until `signal` ends it. */
  lookForever(signal: AbortSignal): Promise<void>;
}

export interface EngineWatchDeps {
  readonly engine: Pick<Engine, "answers">;
  readonly logger: Logger;
  /** Why nothing is claimed, a sentence; null: it answers again. */
  readonly onChange?: (trouble: string | null) => void;
}

interface Asking {
  readonly answer: Promise<void>;
  readonly stop: AbortController;
  waiters: number;
}

export function watchEngine({ engine, logger, onChange }: EngineWatchDeps): EngineWatch {
  let answeredAt = -Infinity;
  let isAway = false;
  /** However many slots wait for it, it is asked once; each gives up for itself, the last for all. */
  let asking: Asking | undefined;

  const ask = async (signal: AbortSignal): Promise<boolean> => {
    try {
      await engine.answers(signal);
      answeredAt = performance.now();
      if (isAway) logger.info({}, "Docker answers again");
      if (isAway) onChange?.(null);
      isAway = false;
      return true;
    } catch (err) {
      signal.throwIfAborted();
      if (!(err instanceof InfraFault)) throw err;
      if (!isAway) logger.warn({ err }, "Docker unavailable: no jobs are claimed");
      if (!isAway) onChange?.(`Docker is unavailable: ${err.message}`);
      isAway = true;
      return false;
    }
  };
  const untilItAnswers = async (signal: AbortSignal): Promise<void> => {
    for (let pauseMs = PAUSE_FIRST_MS; !(await ask(signal)); pauseMs *= 2) {
      await delay(Math.min(pauseMs, PAUSE_MAX_MS), undefined, { signal });
    }
  };
  const askInTheBackground = (): Asking => {
    const stop = new AbortController();
    const answer = untilItAnswers(stop.signal);
    answer.catch(() => undefined);
    return { answer, stop, waiters: 0 };
  };

  const ready = async (signal: AbortSignal): Promise<void> => {
    if (!isAway && performance.now() - answeredAt < FRESH_MS) return;
    const mine = (asking ??= askInTheBackground());
    mine.waiters += 1;
    try {
      await raceAbort(mine.answer, signal);
    } finally {
      mine.waiters -= 1;
      if (mine.waiters === 0) {
        mine.stop.abort();
        asking = asking === mine ? undefined : asking;
      }
    }
  };
  return {
    ready,
    suspect: () => void (answeredAt = -Infinity),
    lookForever: async (signal) => {
      while (!signal.aborted) {
        await ready(signal).catch(() => undefined);
        await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
