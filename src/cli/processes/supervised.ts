import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { LogFile } from "./log-file.ts";
import type { ProcessName } from "./process-table.ts";

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5_000;
/** A process that did its work for this long was well: whoever killed it, it is back soon. */
const HEALTHY_LIFE_MS = 1_000;
/** Not ready, and yet alive for long: it waited for something, as a worker does for its server. */
const PATIENT_LIFE_MS = 30_000;

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** How one life of a process ended. */
export interface LifeEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly wasReady: boolean;
}

export interface SupervisedOptions<Ready> {
  readonly name: ProcessName;
  /** Asked before each life, since the port is known only after the first. */
  readonly launch: () => Launch;
  /** What a line on stdout says about readiness, if it says so. */
  readonly readyIn: (line: string) => Ready | undefined;
  readonly log: LogFile;
  /** Held by the child as long as it lives. */
  readonly lockFd: number;
  readonly onReady: (ready: Ready) => void;
  readonly onEnd: (end: LifeEnd, pauseMs: number) => void;
}

/** To a worker: SIGTERM is goodbye, what runs goes on without it; SIGINT hands all of it back. */
export type StopSignal = "SIGTERM" | "SIGINT";

/** A program that is started again whenever it dies, until it is stopped. */
export interface Supervised {
  readonly name: ProcessName;
  pid(): number | undefined;
  restartCount(): number;
  kill(signal: NodeJS.Signals): void;
  /** The signal, and SIGKILL once `deadline` is aborted. Resolves when the process has ended. */
  stop(deadline: AbortSignal, signal?: StopSignal): Promise<void>;
}

export function supervise<Ready>(options: SupervisedOptions<Ready>): Supervised {
  const stopping = new AbortController();
  let child: ChildProcess | undefined;
  let restarts = 0;

  const live = async (): Promise<void> => {
    for (let pauseMs = BACKOFF_FIRST_MS; ; restarts += 1) {
      const startedAt = performance.now();
      const life = startLife(options);
      child = life.child;
      const end = await life.ended;
      child = undefined;
      options.log.catchUp();
      if (stopping.signal.aborted) return;
      const wasWellMs = end.wasReady ? HEALTHY_LIFE_MS : PATIENT_LIFE_MS;
      if (performance.now() - startedAt >= wasWellMs) pauseMs = BACKOFF_FIRST_MS;
      options.onEnd(end, pauseMs);
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS);
    }
  };
  const ended = live();

  return {
    name: options.name,
    pid: () => child?.pid,
    restartCount: () => restarts,
    kill: (signal) => void child?.kill(signal),
    stop: async (deadline, signal = "SIGTERM") => {
      stopping.abort();
      const force = (): void => void child?.kill("SIGKILL");
      child?.kill(signal);
      if (deadline.aborted) force();
      deadline.addEventListener("abort", force, { once: true });
      await ended;
      deadline.removeEventListener("abort", force);
    },
  };
}

function startLife<Ready>(options: SupervisedOptions<Ready>) {
  const { launch, log, lockFd, readyIn, onReady } = options;
  const { command, args, env, stdin } = launch();
  let wasReady = false;

  const stderr = log.openFd();
  const child = spawn(command, args, {
    env,
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", stderr, lockFd],
    // Ctrl-C reaches the supervisor only, so that it can end the others in their order.
    detached: true,
  });
  closeSync(stderr);
  child.stdin?.on("error", () => undefined); // It died before it had read; its end says so.
  child.stdin?.end(stdin);

  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const ready = readyIn(line);
      if (ready !== undefined) {
        wasReady = true;
        onReady(ready);
      } else log.append(line);
    });
  }

  const { promise: ended, resolve } = Promise.withResolvers<LifeEnd>();
  const end = (code: number | null, signal: NodeJS.Signals | null): void =>
    resolve({ code, signal, wasReady });
  child.once("exit", end);
  child.once("error", (err) => {
    log.append(`${command}: ${err.message}`);
    if (child.pid === undefined) end(null, null);
  });
  return { child, ended };
}
