import { Worker } from "node:worker_threads";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import { diskRefusal } from "../../../src/shared/disk-errors.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import type { AssemblyAnswer, AssemblyCalls, AssemblyError, ThreadData } from "./assembly-calls.ts";

/** The calls of the thread, and its end. */
export interface Assembler extends AssemblyCalls {
  /** Ends the thread; what waits for it fails. */
  close(): Promise<void>;
}

const THREAD = new URL("./thread/main.ts", import.meta.url);

export interface AssemblerOptions {
  readonly data: ThreadData;
  readonly logger: Logger;
  /** The thread's file; a test gives one that can be made to die. */
  readonly entry?: URL;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

/**
 * Starts the thread, and again at the next call if it has died: what it knows it can read from the
 * disk. A call that it took with it throws `PUBLISH_FAILED`.
 */
export function openAssembler({ data, logger, entry = THREAD }: AssemblerOptions): Assembler {
  let thread: Thread | undefined;
  let isClosed = false;
  let lastId = 0;

  const running = (): Thread => {
    if (isClosed) throw new InfraFault("PUBLISH_FAILED", "The assembler is closed.");
    thread ??= startThread(entry, data, (dead, cause) => {
      if (thread === dead) thread = undefined;
      if (isClosed) return;
      logger.error({ err: cause }, "The assembly thread died; the next publish starts another.");
    });
    return thread;
  };
  const call = async (name: keyof AssemblyCalls, request: unknown): Promise<unknown> => {
    const { worker, waiting } = running();
    const id = (lastId += 1);
    const answer = new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
    // A process that waits for an answer must not end for want of work; one that does not, may.
    worker.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    worker.postMessage({ id, name, request });
    return await answer;
  };

  running();
  const typed = <Name extends keyof AssemblyCalls>(name: Name): AssemblyCalls[Name] =>
    ((request: unknown) => call(name, request)) as AssemblyCalls[Name];
  return {
    assemble: typed("assemble"),
    seal: typed("seal"),
    join: typed("join"),
    rebuild: typed("rebuild"),
    find: typed("find"),
    prepare: typed("prepare"),
    settled: typed("settled"),
    close: async () => {
      isClosed = true;
      // An end that nobody else waits for would not be waited for.
      thread?.worker.ref();
      await thread?.worker.terminate();
    },
  };
}

function startThread(
  entry: URL,
  data: ThreadData,
  onDeath: (dead: Thread, cause: unknown) => void,
): Thread {
  // Nothing of the environment is needed there, nor options that were meant for the main thread.
  const worker = new Worker(entry, { workerData: data, env: {}, execArgv: [], name: "assembly" });
  const thread: Thread = { worker, waiting: new Map() };
  let cause: unknown;
  worker.unref();
  worker.on("message", (answer: AssemblyAnswer) => settle(thread, answer));
  worker.on("error", (err) => {
    cause = err;
  });
  worker.on("exit", (code) => {
    const fault = new InfraFault("PUBLISH_FAILED", `The assembly thread ended (${code}).`, {
      cause,
    });
    onDeath(thread, cause ?? fault);
    for (const { reject } of thread.waiting.values()) reject(fault);
    thread.waiting.clear();
  });
  return thread;
}

function settle({ worker, waiting }: Thread, answer: AssemblyAnswer): void {
  const call = waiting.get(answer.id);
  waiting.delete(answer.id);
  if (waiting.size === 0) worker.unref();
  if (answer.ok) call?.resolve(answer.value);
  else call?.reject(faultOf(answer.error));
}

/** An error loses its class on the way between threads. */
function faultOf({ name, message, code, stack }: AssemblyError): Error {
  if (name === "RpmRefused") {
    const hint =
      "Build the package again, and look at what `rpm -qp --info --changelog` shows of it.";
    return new UserFault("PACKAGE_INVALID", message, { hint });
  }
  const cause = Object.assign(new Error(message), { name, code, stack });
  const refusal = diskRefusal(cause);
  if (refusal !== undefined) {
    const what = `The disk with the yum repositories refused: ${refusal.why} (${refusal.code}).`;
    return new InfraFault("DISK_FULL", what, { cause });
  }
  return new InfraFault("PUBLISH_FAILED", `The metadata could not be made: ${message}`, { cause });
}
