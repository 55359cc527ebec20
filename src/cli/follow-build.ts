import { setTimeout as delay } from "node:timers/promises";
import { isFinal } from "../domain/states.ts";
import type { ApiClient } from "./api-client.ts";
import type { ApiBuild } from "./api-types.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import type { Line, Printer } from "./print.ts";
import { formatMs, resultLine, resultsOf } from "./show-build.ts";

const AGAIN_MS = 500;
const STILL_RUNNING_MS = 30_000;
const TICK_MS = 1_000;

export interface FollowOptions {
  readonly api: ApiClient;
  readonly signal: AbortSignal;
  /** Also for a server that is away for a moment: a failed request never changes the verdict. */
  readonly onAway?: (err: CommandError) => void;
}

/** The build after each change, until its final state; lost connections are opened again. */
export async function* followBuild(
  build: ApiBuild,
  { api, signal, onAway }: FollowOptions,
): AsyncIterable<ApiBuild> {
  let newest = build;
  yield newest;
  while (!isFinal(newest.state)) {
    try {
      for await (const next of api.follow(build.id)) {
        newest = next;
        yield newest;
      }
      if (isFinal(newest.state)) return;
      newest = await api.build({ id: build.id });
      yield newest;
    } catch (err) {
      signal.throwIfAborted();
      if (!isPassing(err)) throw err;
      onAway?.(err instanceof CommandError ? err : new CommandError(EXIT.unreachable, String(err)));
      await delay(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** The server is away or in trouble, or the stream broke off: all of it may pass. */
function isPassing(err: unknown): boolean {
  if (!(err instanceof CommandError)) return true;
  return err.exitCode === EXIT.unreachable || err.exitCode === EXIT.errored;
}

/** Prints each step once it has ended; what runs is in the block below, or said every 30 s. */
export function stepPrinter(options: {
  readonly printer: Printer;
  readonly now: () => number;
  /** Where finished steps are said, if not as the answer. */
  readonly say?: (...line: Line) => void;
  readonly wordColumns?: number;
}) {
  const { printer, now, say = printer.answer, wordColumns } = options;
  const printed = new Set<string>();
  let running: readonly { name: string; startedAt: number }[] = [];
  let saidAt = now();

  const runningLine = ({ name, startedAt }: { name: string; startedAt: number }): Line =>
    resultLine(
      { state: "running", name, durationMs: Math.max(0, now() - startedAt), note: null },
      wordColumns,
    );
  const tick = (): void => {
    if (printer.hasBlock) return printer.block(running.map(runningLine));
    if (running.length === 0 || now() - saidAt < STILL_RUNNING_MS) return;
    saidAt = now();
    for (const { name, startedAt } of running) {
      printer.progress(`still running: ${name}, ${formatMs(now() - startedAt)}`);
    }
  };
  const timer = setInterval(tick, TICK_MS);

  return {
    show: (build: ApiBuild): void => {
      const results = resultsOf(build);
      for (const result of results) {
        if (!isFinal(result.state) || !result.isComplete || printed.has(result.key)) continue;
        printed.add(result.key);
        say(...resultLine(result, wordColumns));
      }
      running = results
        .filter(({ state }) => state === "running")
        .map(({ name, startedAt }) => ({
          name,
          startedAt: startedAt === null ? now() : Date.parse(startedAt),
        }));
      tick();
    },
    end: (): void => {
      clearInterval(timer);
      printer.block([]);
    },
  };
}
