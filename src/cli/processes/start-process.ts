import { join } from "node:path";
import { openLogFile } from "./log-file.ts";
import type { ProcessName } from "./process-table.ts";
import { supervise } from "./supervised.ts";
import type { Launch, LifeEnd, StopSignal, Supervised } from "./supervised.ts";

const FAILED_STARTS_MAX = 3;
const LAST_LINES_MAX = 8;
const HELD_LINES_MAX = 50;

export type SupervisorEvent =
  /** A line of the process's own log. */
  | { readonly kind: "logged"; readonly process: ProcessName; readonly line: string }
  | { readonly kind: "ready"; readonly process: ProcessName }
  /** Not ready in its time; it goes on trying. */
  | { readonly kind: "late"; readonly process: ProcessName }
  | {
      readonly kind: "ended";
      readonly process: ProcessName;
      readonly end: LifeEnd;
      readonly pauseMs: number;
    };

/** A process that everything else needs did not start. */
export class StartFailed extends Error {
  override readonly name = "StartFailed";
}

/** It said why it can never start as it is; `message` is what it said. Trying again changes nothing. */
export class StartRefused extends StartFailed {}

/** The exit status of a process that cannot use what it was given, with the reason on stderr. */
const REFUSED_CODE = 2;

export interface StartOptions<Ready> {
  readonly name: ProcessName;
  readonly launch: () => Launch;
  readonly readyIn: (line: string) => Ready | undefined;
  readonly onReady?: (ready: Ready) => void;
  readonly onEnd?: (end: LifeEnd) => void;
  readonly timeoutMs: number;
  /** Status 2 before it was ever ready, with plain words on stderr, is its last word. */
  readonly mayRefuse?: boolean;
}

export interface Started<Ready> {
  readonly supervised: Supervised;
  /** Rejected with `StartFailed` after three lives that never became ready, or too long a wait. */
  readonly firstReady: Promise<Ready>;
}

/** Words are held only until it was ready once. */
function isRefusal(held: readonly string[] | undefined): held is readonly string[] {
  return held !== undefined && held.length > 0;
}

/** Starts one process under supervision, its log below `<dataDir>/log`. */
export function startProcess<Ready>(
  options: StartOptions<Ready>,
  deps: {
    readonly dataDir: string;
    readonly lockFd: number;
    readonly onEvent: (event: SupervisorEvent) => void;
    /** Ends the wait for the first readiness, not the process. */
    readonly signal: AbortSignal;
  },
): Started<Ready> {
  const { name, launch, readyIn, timeoutMs } = options;
  const lastLines: string[] = [];
  /** Plain words of a start: the reason of its end, or a line like the others. */
  let held: string[] | undefined = [];
  const tell = (line: string) => deps.onEvent({ kind: "logged", process: name, line });
  const tellHeld = (): void => {
    const lines = held ?? [];
    held = undefined;
    lines.forEach(tell);
  };
  const log = openLogFile(join(deps.dataDir, "log", `${name}.log`), (line) => {
    lastLines.push(line);
    if (lastLines.length > LAST_LINES_MAX) lastLines.shift();
    if (held === undefined || line.startsWith("{")) tell(line);
    else held.push(line);
    if (held !== undefined && held.length > HELD_LINES_MAX) tellHeld();
  });

  const first = Promise.withResolvers<Ready>();
  first.promise.catch(() => undefined); // Whoever starts us looks at it, perhaps a little later.
  const fail = (what: string) =>
    first.reject(new StartFailed([`${name} ${what}`, ...lastLines, `log: ${log.path}`].join("\n")));
  const timer = setTimeout(() => fail(`is not ready after ${timeoutMs / 1_000} s`), timeoutMs);
  deps.signal.addEventListener("abort", () => first.reject(deps.signal.reason), { once: true });

  let failedStarts = 0;
  const supervised = supervise<Ready>({
    name,
    launch,
    readyIn,
    log,
    lockFd: deps.lockFd,
    onReady: (ready) => {
      failedStarts = 0;
      tellHeld();
      clearTimeout(timer);
      options.onReady?.(ready);
      first.resolve(ready);
      deps.onEvent({ kind: "ready", process: name });
    },
    onEnd: (end, pauseMs) => {
      options.onEnd?.(end);
      if (options.mayRefuse === true && end.code === REFUSED_CODE && isRefusal(held)) {
        return first.reject(new StartRefused(held.join("\n")));
      }
      tellHeld();
      deps.onEvent({ kind: "ended", process: name, end, pauseMs });
      failedStarts += 1;
      if (failedStarts >= FAILED_STARTS_MAX)
        fail(`ended ${failedStarts} times before it was ready`);
    },
  });

  const stop = async (deadline: AbortSignal, signal?: StopSignal): Promise<void> => {
    clearTimeout(timer);
    await supervised.stop(deadline, signal);
    log.close();
  };
  return { supervised: { ...supervised, stop }, firstReady: first.promise };
}
