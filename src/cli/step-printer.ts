import { isFinal } from "../domain/states.ts";
import type { ApiBuild } from "./api-types.ts";
import type { Line, Printer } from "./print.ts";
import { formatMs, nameColumnsOf, resultLine, resultsOf } from "./show-build.ts";

const STILL_RUNNING_MS = 30_000;
const TICK_MS = 1_000;

export interface StepPrinter {
  show(build: ApiBuild): void;
  end(): void;
}

interface Pending {
  readonly state: "queued" | "running";
  readonly name: string;
  readonly startedAt: number;
}

/** Prints each step once it has ended; what runs is in the block below, or said every 30 s. */
export function stepPrinter(options: {
  readonly printer: Printer;
  readonly now: () => number;
  /** Where finished steps are said, if not as the answer. */
  readonly say?: (...line: Line) => void;
  readonly wordColumns?: number;
}): StepPrinter {
  const { printer, now, say = printer.answer, wordColumns } = options;
  const said = new Set<string>();
  let pending: readonly Pending[] = [];
  let saidAt = now();
  let nameColumns = nameColumnsOf([]);

  const sayOnce = (key: string, line: Line): void => {
    if (said.has(key)) return;
    said.add(key);
    say(...line);
  };
  const tick = (): void => {
    const lines = pending.map(({ startedAt, ...rest }) => ({
      ...rest,
      durationMs: now() - startedAt,
    }));
    if (printer.hasBlock) {
      printer.block(
        lines.map((line) => resultLine({ ...line, note: null }, wordColumns, nameColumns)),
      );
    } else if (lines.length > 0 && now() - saidAt >= STILL_RUNNING_MS) {
      saidAt = now();
      for (const { state, name, durationMs } of lines) {
        printer.progress(`still ${state}: ${name}, ${formatMs(durationMs)}`);
      }
    }
  };
  const timer = setInterval(tick, TICK_MS);

  return {
    show: (build) => {
      for (const { key, line } of lostAttempts(build)) sayOnce(key, line);
      const results = resultsOf(build);
      nameColumns = nameColumnsOf(results);
      for (const result of results) {
        if (isFinal(result.state) && result.isComplete) {
          sayOnce(result.key, resultLine(result, wordColumns, nameColumns));
        }
      }
      pending = pendingOf(build, now());
      tick();
    },
    end: () => {
      clearInterval(timer);
      printer.block([]);
    },
  };
}

/** Attempts that ended through no fault of the commit: their steps come again. */
function lostAttempts(build: ApiBuild): readonly { readonly key: string; readonly line: Line }[] {
  return build.jobs
    .map((job) => ({ ...job, lost: job.state === "queued" ? job.attempt : job.attempt - 1 }))
    .filter(({ lost }) => lost > 0)
    .map(({ id, lost, reason }) => ({
      key: `${id} lost ${lost}`,
      line: [
        "  ",
        { ink: "yellow", text: "again" },
        ` attempt ${lost} was lost: ${reason ?? "unknown"}`,
      ],
    }));
}

function pendingOf(build: ApiBuild, at: number): readonly Pending[] {
  if (isFinal(build.state)) return [];
  const running = resultsOf(build).filter(({ state }) => state === "running");
  if (running.length > 0) {
    return running.map(({ name, startedAt }) => ({
      state: "running",
      name,
      startedAt: startedAt === null ? at : Date.parse(startedAt),
    }));
  }
  const isWaiting = build.jobs.some(({ state }) => state === "queued");
  if (!isWaiting) return [];
  return [{ state: "queued", name: "for a worker", startedAt: Date.parse(build.createdAt) }];
}
