import { setInterval } from "node:timers/promises";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { Publish } from "../publish-context.ts";

/** How far an import has come. */
export interface Progress {
  /** A new part of the work, with how many pieces it has. */
  begin(note: string, total: number): void;
  step(count?: number): void;
}

const EVERY_MS = 1_000;

/** Tells the server once a second while `work` runs. What it does not hear is no loss. */
export async function withProgress<T>(
  { server, grant }: Pick<Publish, "server" | "grant">,
  work: (progress: Progress) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const now = { done: 0, total: 0, note: "" };
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const path = PATHS.publishProgress(grant.publishId);
  const tell = async (): Promise<void> => {
    for await (const _ of setInterval(EVERY_MS, undefined, { signal: stop })) {
      const call = { path, leaseToken: grant.lease.token, json: { ...now }, timeoutMs: EVERY_MS };
      await server.ask(call, stop).catch(() => undefined);
    }
  };
  const telling = tell().catch(() => undefined);
  try {
    return await work({
      begin: (note, total) => void Object.assign(now, { note, total, done: 0 }),
      step: (count = 1) => void (now.done += count),
    });
  } finally {
    ended.abort();
    await telling;
  }
}
