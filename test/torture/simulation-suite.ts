import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { newTally, replayLine, type Found } from "../support/simulation/happenings.ts";
import type { Figure, Violation } from "./invariants/violation.ts";
import type { Chunk, ChunkResult } from "./simulation/simulation-thread.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";

/** Schedules that a thread runs before it asks for more. */
const CHUNK = 5_000;
const TOLD_EVERY = 100_000;
const THREAD = new URL("simulation/simulation-thread.ts", import.meta.url);

const FIGURE_OF: Readonly<Record<string, Figure>> = {
  I1: "duplicated",
  I2: "unfinished",
  I3: "unfinished",
};

/**
 * K12: the life of builds under schedules of crashes, delays, repetitions and reorderings, `count` of
 * them on all cores. What breaks is shrunk, and printed as a case for `regressions.json`.
 */
export async function runSimulationSuite({ seed, count, tell }: SuiteOptions): Promise<Outcome> {
  const chunks = chunksOf(seed, count);
  const sum = newTally();
  const violations: Violation[] = [];
  const take = ({ chunk, tally, found }: ChunkResult): void => {
    const before = sum.schedules;
    sum.schedules += tally.schedules;
    sum.accepted += tally.accepted;
    sum.builds += tally.builds;
    sum.faults += tally.faults;
    if (found !== undefined) violations.push(violationOf(chunk, found, tell));
    if (Math.floor(before / TOLD_EVERY) < Math.floor(sum.schedules / TOLD_EVERY)) {
      tell(`${sum.schedules} schedules, ${sum.builds} builds, ${violations.length} broken`);
    }
  };
  const threads = Math.min(chunks.length, availableParallelism());
  await Promise.all(Array.from({ length: threads }, () => runThread(chunks, take)));
  tell(`${sum.schedules} schedules: ${sum.builds} builds, ${sum.faults} faults`);
  return { accepted: sum.accepted, kills: sum.faults, violations };
}

/** The first has the suite's own seed, so that a chunk's seed and place lead back to its schedule. */
function chunksOf(seed: number, count: number): Chunk[] {
  return Array.from({ length: Math.ceil(count / CHUNK) }, (_none, index) => ({
    seed: seed + index,
    count: Math.min(CHUNK, count - index * CHUNK),
  }));
}

/** One thread that takes chunks until none is left. */
async function runThread(chunks: Chunk[], take: (result: ChunkResult) => void): Promise<void> {
  const thread = new Worker(THREAD);
  try {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
      take(await runChunk(thread, chunk));
    }
  } finally {
    await thread.terminate();
  }
}

async function runChunk(thread: Worker, chunk: Chunk): Promise<ChunkResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ChunkResult>();
  thread.once("message", resolve);
  thread.once("error", reject);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  thread.postMessage(chunk);
  try {
    return await promise;
  } finally {
    thread.removeAllListeners("message").removeAllListeners("error");
  }
}

function violationOf(chunk: Chunk, found: Found, tell: (line: string) => void): Violation {
  tell(`again: ${replayLine(chunk.seed, found)}`);
  tell(`for test/fixtures/simulation/regressions.json: ${JSON.stringify(found.case)}`);
  return { figure: FIGURE_OF[found.what.slice(0, 2)] ?? "broken", what: found.what };
}
