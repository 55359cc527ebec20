import { setTimeout as delay } from "node:timers/promises";
import type { Request, Response } from "express";

/** Often enough for the proxies that cut a silent connection after half a minute. */
const COMMENT_MS = 15_000;
const RETRY_MS = 2_000;
export const STREAMS_MAX = 1_000;

/** An open stream of server-sent events to one reader. */
export interface EventStream {
  /** Sends one event. Resolves when the reader's connection has room again, or is gone. */
  send(event: {
    readonly name: string;
    readonly id?: string;
    readonly data: string;
  }): Promise<void>;
  /** Aborted when the reader went away, or the server stops. */
  readonly signal: AbortSignal;
}

let openStreams = 0;

/**
 * Turns a response into a stream of events; undefined when too many are open (answered 503), when the
 * reader went away while its answer was looked for, for then nothing would ever close the stream, and
 * when only the head is wanted.
 */
export function openEventStream(
  request: Request,
  response: Response,
  stopping: AbortSignal | undefined,
): EventStream | undefined {
  if (response.closed) return undefined;
  if (openStreams >= STREAMS_MAX) {
    response.status(503).set("Retry-After", "10").json({ error: "Too many live pages are open." });
    return undefined;
  }
  response.status(200).set({
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    // nginx would keep events until its buffer is full.
    "X-Accel-Buffering": "no",
  });
  if (request.method === "HEAD") {
    // No event would ever reach it, and what is written without a body is not sent: it waited for ever.
    response.end();
    return undefined;
  }
  openStreams += 1;
  const gone = new AbortController();
  const signal = stopping === undefined ? gone.signal : AbortSignal.any([gone.signal, stopping]);
  response.write(`retry: ${RETRY_MS}\n\n`);
  request.socket.setNoDelay(true);
  const comments = setInterval(() => response.write(": still here\n\n"), COMMENT_MS);
  response.on("close", () => {
    openStreams -= 1;
    clearInterval(comments);
    gone.abort();
  });
  const end = (): void => void response.end();
  signal.addEventListener("abort", end, { once: true });
  return { send: (event) => sendTo(response, signal, event), signal };
}

function sendTo(
  response: Response,
  signal: AbortSignal,
  { name, id, data }: { readonly name: string; readonly id?: string; readonly data: string },
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const lines = data.replace(/\r\n?/g, "\n").split("\n");
  const head = id === undefined ? "" : `id: ${id}\n`;
  const hasRoom = response.write(
    `${head}event: ${name}\n${lines.map((line) => `data: ${line}\n`).join("")}\n`,
  );
  return hasRoom ? Promise.resolve() : roomOrGone(response, signal);
}

function roomOrGone(response: Response, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    response.off("drain", done);
    signal.removeEventListener("abort", done);
    resolve();
  };
  response.on("drain", done);
  signal.addEventListener("abort", done, { once: true });
  return promise;
}

/**
 * Calls `work` after every `wake`, one at a time and at most once per `pauseMs`. However many wakes
 * come while it works, it runs once more: a slow reader costs one pending run, never a queue.
 */
export function coalesce(
  work: () => Promise<void>,
  {
    pauseMs,
    signal,
    onError,
  }: { pauseMs: number; signal: AbortSignal; onError: (err: unknown) => void },
): () => void {
  let isWanted = false;
  let isBusy = false;
  const run = async (): Promise<void> => {
    isBusy = true;
    try {
      while (isWanted && !signal.aborted) {
        isWanted = false;
        await work();
        await delay(pauseMs, undefined, { signal });
      }
    } finally {
      isBusy = false;
    }
  };
  return () => {
    isWanted = true;
    if (isBusy) return;
    run().catch((err: unknown) => {
      if (!signal.aborted) onError(err);
    });
  };
}
