import { setTimeout } from "node:timers/promises";
import { hasPath } from "./metadata-parsers.ts";

/** Answers whether a repository has a path; its file lists are read for the first question. */
export interface PathLookup {
  /** True also as long as the lists cannot be had: what is not known refuses nobody. */
  has(path: string): Promise<boolean>;
  /** After a failure the next question reads again. */
  again(): void;
}

const WAIT_MS = 10_000;

/** The first question waits ten seconds at most, those after it not at all. */
export function pathLookup(read: () => Promise<Float64Array>): PathLookup {
  let keys: Float64Array | undefined;
  let reading: Promise<void> | undefined;
  let hasFailed = false;

  async function readKeys(): Promise<void> {
    try {
      keys = await read();
    } catch {
      hasFailed = true;
    }
  }

  return {
    async has(path) {
      if (reading === undefined) {
        reading = readKeys();
        const waited = new AbortController();
        const deadline = setTimeout(WAIT_MS, undefined, { ref: false, signal: waited.signal });
        await Promise.race([reading, deadline]);
        waited.abort();
        await deadline.catch(() => undefined);
      }
      return keys === undefined || hasPath(keys, path);
    },
    again() {
      if (!hasFailed) return;
      hasFailed = false;
      reading = undefined;
    },
  };
}
