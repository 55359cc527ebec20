import type { YumLayout } from "../../../../src/yum/layout.ts";
import { readSegment } from "../../../../src/yum/target-state.ts";
import type { ListedPackage } from "../../../../src/yum/target-state.ts";
import type { FoundPackage } from "../assembly-calls.ts";

/**
 * Which segment lists a NEVRA. Of each segment the sorted 53-bit hashes of its NEVRAs are kept, 8 KB
 * of a full one; only where one matches is the list itself read.
 */
export interface NevraIndex {
  /** Of a segment just made, so that it need not be read. */
  add(segment: string, packages: readonly ListedPackage[]): void;
  find(segments: readonly string[], nevras: readonly string[]): Promise<readonly FoundPackage[]>;
  /** Reads what is not known yet. */
  load(segment: string): Promise<void>;
}

/** 32 MB of full segments: four million packages. */
const SEGMENTS_MAX = 4_096;

export function openNevraIndex(layout: YumLayout): NevraIndex {
  const known = new Map<string, Float64Array>();

  const add: NevraIndex["add"] = (segment, packages) => {
    known.delete(segment);
    known.set(segment, Float64Array.from(packages, ({ nevra }) => hash53(nevra)).sort());
    for (const oldest of known.keys()) {
      if (known.size <= SEGMENTS_MAX) return;
      known.delete(oldest);
    }
  };
  const hashesOf = async (segment: string): Promise<Float64Array> => {
    const found = known.get(segment);
    if (found !== undefined) return found;
    add(segment, (await readSegment(layout, segment)).packages);
    return known.get(segment) ?? new Float64Array();
  };

  return {
    add,
    load: async (segment) => void (await hashesOf(segment)),
    find: async (segments, nevras) => {
      const wanted = nevras.map((nevra) => hash53(nevra));
      const names = new Set(nevras);
      const found: FoundPackage[] = [];
      for (const segment of segments) {
        const hashes = await hashesOf(segment);
        if (!wanted.some((hash) => includes(hashes, hash))) continue;
        const { packages } = await readSegment(layout, segment);
        const matches = packages.filter(({ nevra }) => names.has(nevra));
        found.push(...matches.map((each) => ({ ...each, segment })));
      }
      return found;
    },
  };
}

function includes(sorted: Float64Array, wanted: number): boolean {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? Infinity) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}

/** cyrb53: spreads well enough that a wrong match, which costs a read, is rare. */
function hash53(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2_654_435_761);
    low = Math.imul(low ^ unit, 1_597_334_677);
  }
  high =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0);
}
