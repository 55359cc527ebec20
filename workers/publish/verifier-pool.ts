import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { isRoot, NOBODY } from "./run-command.ts";

/** A program that has started, read its keys, and waits for what it shall check. It answers once. */
export interface Waiting {
  /** Hands over the inputs: the first is its standard input, the others are its descriptors 3, 4, … */
  ask(inputs: readonly Buffer[], signal: AbortSignal): Promise<Answer>;
}

export interface Answer {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Programs that were started ahead of time: what is left of a check is the check itself. */
export interface VerifierPool {
  /** As many as are wanted, or undefined: then none is taken. */
  take(count: number): readonly Waiting[] | undefined;
  /** One that was not started ahead. */
  start(): Waiting;
  /** Ends all of them. When it resolves, none is left. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly inputs: number;
  /** How many wait. */
  readonly size: number;
  /** How long one may take over its answer. */
  readonly timeoutMs: number;
}

const OUTPUT_BYTES_MAX = 2 ** 16;
/** A publish comes first: what it took is replaced after it, one by one. */
const REFILL_MS = 50;
/** One that ends before it was asked cannot run here, and would not at once either. */
const RESTART_MS = 10_000;
const ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", HOME: "/" };
/** It reads and says yes or no: nobody's rights, nothing to gain, no file to write. */
const BOUNDS = ["--cpu=60", "--as=4294967296", "--fsize=0", "--nofile=64", "--core=0"];

/**
 * If we die, even by SIGKILL, the kernel closes our ends of their inputs, and they end by themselves.
 * None of them keeps this process alive while it waits.
 */
export function openVerifierPool(options: PoolOptions): VerifierPool {
  const idle = new Set<Verifying>();
  const all = new Set<Verifying>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const begin = (): Verifying => {
    if (isClosed) throw new Error(`No ${options.file} is started any more.`);
    const process = startVerifying(options);
    all.add(process);
    void process.ended.then(() => {
      all.delete(process);
      if (!idle.delete(process)) return;
      clearTimeout(timer);
      timer = undefined;
      refillAfter(RESTART_MS);
    });
    return process;
  };
  const refillAfter = (ms: number): void => {
    if (isClosed || timer !== undefined || idle.size >= options.size) return;
    timer = setTimeout(() => {
      timer = undefined;
      idle.add(begin());
      refillAfter(REFILL_MS);
    }, ms).unref();
  };
  while (idle.size < options.size) idle.add(begin());

  return {
    take: (count) => {
      if (isClosed || count > idle.size) return undefined;
      const taken = [...idle].slice(0, count);
      for (const process of taken) idle.delete(process);
      refillAfter(REFILL_MS);
      return taken;
    },
    start: begin,
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      for (const process of all) process.kill();
      await Promise.all([...all].map(({ ended }) => ended));
    },
  };
}

interface Verifying extends Waiting {
  readonly ended: Promise<number | null>;
  kill(): void;
}

function startVerifying({ file, args, cwd, inputs, timeoutMs }: PoolOptions): Verifying {
  const child = spawnConfined(file, args, { cwd, inputs });
  const [stdout, stderr] = child.stdio.slice(1) as [Readable, Readable];
  const into = [0, ...Array.from({ length: inputs - 1 }, (_, i) => i + 3)].map(
    (fd) => child.stdio[fd] as Writable,
  );
  const kill = (): void => {
    setReferenced(child, true);
    child.kill("SIGKILL");
  };
  // One that cannot start, or ends early, gives no answer; its output and code tell.
  const ended = once(child, "close").then(
    ([code]) => code as number | null,
    () => null,
  );
  for (const stream of into) stream.on("error", () => undefined);
  const said = [collect(stdout, kill), collect(stderr, kill)];
  setReferenced(child, false);

  return {
    ended,
    kill,
    ask: async (bytes, signal) => {
      signal.throwIfAborted();
      setReferenced(child, true);
      const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      stop.addEventListener("abort", kill, { once: true });
      for (const [i, stream] of into.entries()) stream.end(bytes[i]);
      const code = await ended;
      stop.removeEventListener("abort", kill);
      signal.throwIfAborted();
      const [stdoutText = "", stderrText = ""] = said.map((text) => text());
      return { code, stdout: stdoutText, stderr: stderrText };
    },
  };
}

function spawnConfined(
  file: string,
  args: readonly string[],
  { cwd, inputs }: { readonly cwd: string; readonly inputs: number },
): ChildProcess {
  const nobody = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const rights = ["--no-new-privs", ...(isRoot() ? nobody : [])];
  const more = Array.from({ length: inputs - 1 }, () => "pipe" as const);
  return spawn("prlimit", [...BOUNDS, "--", "setpriv", ...rights, "--", file, ...args], {
    cwd,
    env: { ...ENV, GNUPGHOME: cwd },
    stdio: ["pipe", "pipe", "pipe", ...more],
  });
}

/** Its text once it has ended. More than the bound is no answer. */
function collect(stream: Readable, kill: () => void): () => string {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  stream.on("error", kill);
  stream.on("data", (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > OUTPUT_BYTES_MAX) kill();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

function setReferenced(child: ChildProcess, isReferenced: boolean): void {
  const handles = [child, ...child.stdio] as ({ ref?(): void; unref?(): void } | null)[];
  for (const handle of handles) {
    if (isReferenced) handle?.ref?.();
    else handle?.unref?.();
  }
}
