import { Stopped } from "../domain/stop.ts";
import type { Logger } from "./logger.ts";

export interface Shutdown {
  /** Aborted with `Stopped("shutdown")` at the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
  /** Closers run in reverse order of registration, all within one deadline. */
  onClose(name: string, close: () => Promise<void> | void): void;
  /** Stops as if a signal had come; resolves never, since the process ends. */
  stop(exitCode: number): void;
  /**
   * Ends the process without closing anything, since what it has open cannot be trusted. A moment is
   * left for answers that say no.
   */
  abandon(): void;
}

const LAST_WORDS_MS = 200;

/**
 * SIGTERM → one abort signal → close in reverse order → exit. A second signal, or a closer that
 * hangs past the deadline, ends the process at once: it may be killed at any time anyway.
 */
export function installShutdown({
  logger,
  deadlineMs,
}: {
  readonly logger: Logger;
  readonly deadlineMs: number;
}): Shutdown {
  const controller = new AbortController();
  const closers: { name: string; close: () => Promise<void> | void }[] = [];

  const stop = (exitCode: number): void => {
    if (controller.signal.aborted) process.exit(exitCode === 0 ? 1 : exitCode);
    controller.abort(new Stopped("shutdown"));
    setTimeout(() => {
      logger.error({ deadlineMs }, "Stopped by force: closing took too long");
      process.exit(1);
    }, deadlineMs).unref();
    void closeAll(closers, logger).then(() => process.exit(exitCode));
  };

  process.once("SIGTERM", () => stop(0));
  process.once("SIGINT", () => stop(0));
  process.on("uncaughtException", (err) => {
    if (err instanceof Stopped && controller.signal.aborted) return;
    // A broken invariant ends the process: a restart is the best-tested path we have.
    logger.error({ err }, "Uncaught exception");
    stop(70);
  });
  process.on("unhandledRejection", (err) => {
    // Whatever still waited when the signal came was told so; that is no bug.
    if (err instanceof Stopped && controller.signal.aborted) return;
    logger.error({ err }, "Unhandled rejection");
    stop(70);
  });

  return {
    signal: controller.signal,
    onClose: (name, close) => void closers.push({ name, close }),
    stop,
    abandon: () => void setTimeout(() => process.kill(process.pid, "SIGKILL"), LAST_WORDS_MS),
  };
}

async function closeAll(
  closers: { name: string; close: () => Promise<void> | void }[],
  logger: Logger,
): Promise<void> {
  for (const { name, close } of closers.toReversed()) {
    try {
      await close();
    } catch (err) {
      logger.warn({ err, closing: name }, "Could not close");
    }
  }
}
