import { join } from "node:path";
import { openLogFile } from "./log-file.ts";
import type { ProcessName } from "./process-table.ts";
import { supervise } from "./supervised.ts";
import type { Launch, LifeEnd, StopSignal, Supervised } from "./supervised.ts";

const FAILED_STARTS_MAX = 3;
const LAST_LINES_MAX = 8;

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

export interface StartOptions<Ready> {
  readonly name: ProcessName;
  readonly launch: () => Launch;
  readonly readyIn: (line: string) => Ready | undefined;
  readonly onReady?: (ready: Ready) => void;
  readonly onEnd?: (end: LifeEnd) => void;
  readonly timeoutMs: number;
}

export interface Started<Ready> {
  readonly supervised: Supervised;
  /** Rejected with `StartFailed` after three lives that never became ready, or too long a wait. */
  readonly firstReady: Promise<Ready>;
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
  const log = openLogFile(join(deps.dataDir, "log", `${name}.log`), (line) => {
    lastLines.push(line);
    if (lastLines.length > LAST_LINES_MAX) lastLines.shift();
    deps.onEvent({ kind: "logged", process: name, line });
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
      clearTimeout(timer);
      options.onReady?.(ready);
      first.resolve(ready);
      deps.onEvent({ kind: "ready", process: name });
    },
    onEnd: (end, pauseMs) => {
      options.onEnd?.(end);
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
