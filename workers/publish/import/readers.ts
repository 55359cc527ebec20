import { Worker } from "node:worker_threads";
import type { ReadOutcome } from "./read-package.ts";

/** Threads that read and hash RPMs: neither may hold up the leases of those who wait. */
export interface Readers {
  /** Throws what the thread threw. */
  read(path: string, target: string): Promise<ReadOutcome>;
  close(): Promise<void>;
}

export interface ReadCall {
  readonly id: number;
  readonly path: string;
  readonly target: string;
}

export type ReadAnswer =
  | { readonly id: number; readonly outcome: ReadOutcome }
  | { readonly id: number; readonly failed: string };

interface Waiting {
  resolve(outcome: ReadOutcome): void;
  reject(err: Error): void;
}

const THREAD = new URL("./reader-thread.ts", import.meta.url);

export function openReaders(count: number, thread: URL = THREAD): Readers {
  const threads = Array.from({ length: count }, () => openReader(thread));
  let next = 0;
  return {
    read: async (path, target) => {
      const thread = threads[next % threads.length];
      next += 1;
      if (thread === undefined) throw new TypeError("There is no reader.");
      return await thread.read(path, target);
    },
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

function openReader(thread: URL): Readers {
  const worker = new Worker(thread);
  const waiting = new Map<number, Waiting>();
  let ids = 0;
  let ended: Error | undefined;
  const failAll = (err: Error): void => {
    ended = err;
    for (const { reject } of waiting.values()) reject(err);
    waiting.clear();
  };
  worker.on("message", (answer: ReadAnswer) => {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("outcome" in answer) asked?.resolve(answer.outcome);
    else asked?.reject(new Error(answer.failed));
  });
  worker.on("error", failAll);
  worker.on("exit", () => failAll(new Error("A reader ended.")));
  return {
    read: async (path, target) => {
      if (ended !== undefined) throw ended;
      const { promise, resolve, reject } = Promise.withResolvers<ReadOutcome>();
      ids += 1;
      waiting.set(ids, { resolve, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ id: ids, path, target } satisfies ReadCall);
      return await promise;
    },
    close: async () => {
      await worker.terminate();
    },
  };
}
