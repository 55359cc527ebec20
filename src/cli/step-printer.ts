import { isFinal } from "../domain/states.ts";
import type { ApiBuild, ApiPublish } from "./api-types.ts";
import type { Line, Printer } from "./print.ts";
import { formatMs, nameColumnsOf, resultLine, resultsOf } from "./show-build.ts";

const STILL_RUNNING_MS = 30_000;
const TICK_MS = 1_000;
/** What passes sooner is nobody's question. */
const STANDSTILL_MS = 2_000;
const FOR_A_WORKER = "for a worker";

export interface StepPrinter {
  show(build: ApiBuild): void;
  end(): void;
}

interface Pending {
  readonly state: "queued" | "running";
  readonly name: string;
  readonly startedAt: number;
  /** Why it stands still. */
  readonly note: string | null;
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
  let still = { key: "", at: now() };
  let nameColumns = nameColumnsOf([]);

  const sayOnce = (key: string, line: Line): void => {
    if (said.has(key)) return;
    said.add(key);
    say(...line);
  };
  /** Without a block it would be said half a minute late, and in short. */
  const sayWhy = (): void => {
    const [first] = printer.hasBlock ? [] : pending;
    const { name = "", note = null } = first ?? {};
    // How long it has been so, or how long it still will be, is no other reason.
    const key = `still ${name} ${note?.replace(/\d+ (?:s|min|h)/, "") ?? ""}`;
    if (key !== still.key) still = { key, at: now() };
    if (note === null || said.has(key) || now() - still.at < STANDSTILL_MS) return;
    said.add(key);
    printer.progress(`${name === FOR_A_WORKER ? "" : `${name} `}queued: ${note}`);
  };
  const tick = (): void => {
    sayWhy();
    const lines = pending.map(({ startedAt, ...rest }) => ({
      ...rest,
      durationMs: now() - startedAt,
    }));
    if (printer.hasBlock) {
      printer.block(lines.map((line) => resultLine(line, wordColumns, nameColumns)));
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
  return build.jobs.flatMap(({ id, lostAttempts: lost = [] }) =>
    lost.map(({ attempt, isHandedBack, reason }) => ({
      key: `${id} lost ${attempt}`,
      line: [
        "  ",
        { ink: "yellow", text: "again" },
        ` attempt ${attempt} was ${isHandedBack ? "handed back" : "lost"}: ${reason}`,
      ],
    })),
  );
}

function pendingOf(build: ApiBuild, at: number): readonly Pending[] {
  if (isFinal(build.state)) return [];
  const running = resultsOf(build).filter(({ state }) => state === "running");
  if (running.length > 0) {
    return running.map(({ name, startedAt }) => ({
      state: "running",
      name,
      startedAt: startedAt === null ? at : Date.parse(startedAt),
      note: null,
    }));
  }
  const startedAt = Date.parse(build.createdAt);
  const [still] = standstills(build);
  if (still !== undefined) return [{ state: "queued", startedAt, ...still }];
  const isWaiting = build.jobs.some(({ state }) => state === "queued");
  return isWaiting ? [{ state: "queued", name: FOR_A_WORKER, startedAt, note: null }] : [];
}

interface Standstill {
  readonly name: string;
  readonly note: string;
}

/** What waits for more than its turn, and why. */
function standstills({ state, jobs, staging, publish }: ApiBuild): readonly Standstill[] {
  if (isFinal(state)) return [];
  const of = (name: string, one: ApiPublish | null | undefined): readonly Standstill[] =>
    one?.waiting == null ? [] : [{ name, note: one.waiting }];
  // What a job waits for beside others that run is said by what they do.
  const isRunning = jobs.some((job) => job.state === "running");
  const reasons = isRunning ? [] : jobs.flatMap(({ waiting }) => waiting ?? []);
  const isInLine = reasons.some(({ ahead }) => ahead !== null);
  const still = isInLine ? [] : reasons.slice(0, 1);
  return [
    ...of("stage", staging),
    ...of("publish", publish),
    ...still.map(({ reason }) => ({ name: FOR_A_WORKER, note: reason })),
  ];
}
