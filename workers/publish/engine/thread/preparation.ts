import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { compressSync } from "../../../../src/yum/compression.ts";
import { headText } from "../../../../src/yum/documents.ts";
import { DOCUMENTS } from "../../../../src/yum/layout.ts";
import type { YumLayout } from "../../../../src/yum/layout.ts";
import type { Compression, SegmentRef } from "../../../../src/yum/target-state.ts";
import { longestPrefix, prefixKeys } from "./prefix-states.ts";
import type { Lane, PrefixStates } from "./prefix-states.ts";
import { readMember, readOpenMember } from "./segment-files.ts";
import type { Turns } from "./turns.ts";

export interface Preparation {
  /** Notes what to prepare, in place of what was noted for this view before. */
  want(view: WantedView): void;
  /** Resolves when nothing is left to do. */
  settled(): Promise<void>;
}

export interface WantedView {
  readonly view: string;
  readonly compression: Compression;
  readonly segments: readonly SegmentRef[];
  /** The numbers of packages: from this one on, so many. */
  readonly from: number;
  readonly ahead: number;
}

export interface PreparationDeps {
  readonly layout: YumLayout;
  readonly states: PrefixStates;
  readonly turns: Turns;
}

/** Half a millisecond of hashing. */
const SLICE_BYTES = 2 ** 20;
/** Segments smaller than this will be joined, and what is in front of them stays. */
const JOINABLE_MAX = 512;
const VIEWS_MAX = 256;

/** One pass over a view's segments, for one lane and several numbers of packages at once. */
interface Run {
  readonly wanted: WantedView;
  readonly lane: Lane;
  readonly keys: readonly string[];
  /** Number of packages → how many segments a state covers that is there already, and from there on its hash. */
  readonly counts: Map<number, { readonly from: number; hash: Hash | undefined }>;
  next: number;
}

/**
 * Hashes in idle time what the next publishes of a view will begin with: its head with each of the
 * next numbers of packages, and its segments. Compressed bytes first, since without them a
 * publish has to hash a whole document; each segment is decompressed once for all numbers.
 */
export function openPreparation(deps: PreparationDeps): Preparation {
  const runs = new Map<string, Run>();
  let working: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    for (let key = nextRun(runs); key !== undefined; key = nextRun(runs)) {
      const run = runs.get(key);
      if (run === undefined) continue;
      await deps.turns.idle();
      const isDone = await step(deps, run);
      if (isDone && runs.get(key) === run) runs.delete(key);
    }
  };
  const start = (): void => {
    working ??= work()
      .catch(() => {
        // A segment was swept meanwhile. A publish that misses a state hashes what it needs itself.
        runs.clear();
      })
      .finally(() => {
        working = undefined;
        if (runs.size > 0) start();
      });
  };

  const settled = async (): Promise<void> => {
    if (working === undefined) return;
    await working;
    await settled();
  };

  return {
    want: (wanted) => {
      for (const form of ["compressed", "open"] as const) {
        for (const document of DOCUMENTS) {
          const key = `${form} ${document} ${wanted.view}`;
          const planned = planRun(deps.states, wanted, { document, form });
          if (isUseful(runs.get(key), wanted, planned?.keys)) continue;
          runs.delete(key);
          if (planned !== undefined && runs.size < VIEWS_MAX * 6) runs.set(key, planned);
        }
      }
      start();
    },
    settled,
  };
}

function nextRun(runs: ReadonlyMap<string, Run>): string | undefined {
  const keys = [...runs.keys()];
  return keys.find((key) => key.startsWith("compressed")) ?? keys[0];
}

/** A run that has begun is worth finishing while numbers that it prepares are still to come. */
function isUseful(
  run: Run | undefined,
  { from, ahead }: WantedView,
  keys: readonly string[] | undefined,
): boolean {
  if (run === undefined || keys === undefined) return false;
  const end = run.keys.at(-1) ?? "";
  if (!keys.includes(end)) return false;
  for (const count of run.counts.keys()) if (count < from) run.counts.delete(count);
  return run.counts.size >= ahead / 2;
}

function planRun(states: PrefixStates, wanted: WantedView, lane: Lane): Run | undefined {
  const keys = prefixKeys(wanted.compression, wanted.segments);
  const end = keys.at(-1) ?? "";
  const numbers = Array.from({ length: wanted.ahead }, (_, i) => wanted.from + i);
  const missing = numbers.filter((count) => !states.has(lane, end, count));
  // Not before half of them are used up: a pass costs the same for one number as for all.
  if (missing[0] !== wanted.from && missing.length <= wanted.ahead / 2) return undefined;
  const counts = missing.map((count): [number, { from: number; hash: undefined }] => {
    return [count, { from: longestPrefix(states, lane, keys, count) ?? -1, hash: undefined }];
  });
  const next = Math.max(0, Math.min(...counts.map(([, { from }]) => from)));
  return { wanted, lane, keys, counts: new Map(counts), next };
}

/** One segment further, for all numbers. Answers whether the run has come to its end. */
async function step(deps: PreparationDeps, run: Run): Promise<boolean> {
  joinIn(deps, run);
  keep(deps.states, run);
  const segment = run.wanted.segments[run.next];
  if (segment === undefined) return true;

  const read = run.lane.form === "open" ? readOpenMember : readMember;
  const member = { id: segment.id, compression: run.wanted.compression };
  const bytes = await read(deps.layout, member, run.lane.document);
  for (const count of run.counts.values()) {
    for (let from = 0; count.hash !== undefined && from < bytes.length; from += SLICE_BYTES) {
      await deps.turns.idle();
      count.hash.update(bytes.subarray(from, from + SLICE_BYTES));
    }
  }
  run.next += 1;
  return false;
}

/** Numbers whose known state ends here go on from it. */
function joinIn({ states }: PreparationDeps, run: Run): void {
  for (const [packages, count] of run.counts) {
    if (count.hash !== undefined || Math.max(0, count.from) > run.next) continue;
    const known = states.get(run.lane, run.keys[count.from] ?? "", packages);
    if (known === undefined && count.from > 0) run.counts.delete(packages);
    else count.hash = known ?? createHash("sha256").update(headOf(run, packages));
  }
}

function headOf({ wanted, lane }: Run, packages: number): Buffer {
  const open = Buffer.from(headText(lane.document, packages));
  return lane.form === "open" ? open : compressSync(wanted.compression, open);
}

/** At the end, and in front of the small segments that will be joined later. */
function keep(states: PrefixStates, { wanted: { segments }, lane, keys, counts, next }: Run): void {
  const lastFull = segments.findLastIndex((each) => each.packages >= JOINABLE_MAX);
  if (next !== lastFull + 1 && next !== segments.length) return;
  for (const [packages, { hash }] of counts) {
    if (hash !== undefined) states.set(lane, keys[next] ?? "", packages, hash);
  }
}
