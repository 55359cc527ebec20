import { parentPort } from "node:worker_threads";
import {
  findBroken,
  newTally,
  type Found,
  type Tally,
} from "../../support/simulation/happenings.ts";

/** A chunk of schedules that one thread runs. */
export interface Chunk {
  readonly seed: number;
  readonly count: number;
}

export interface ChunkResult {
  readonly chunk: Chunk;
  readonly tally: Tally;
  readonly found: Found | undefined;
}

// Started without a parent it does nothing: importing its types is enough to load it.
parentPort?.on("message", (chunk: Chunk) => {
  const tally = newTally();
  const found = findBroken(chunk, tally);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  parentPort?.postMessage({ chunk, tally, found } satisfies ChunkResult);
});
