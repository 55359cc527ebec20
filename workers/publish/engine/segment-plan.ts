import type { SegmentRef } from "../../../src/yum/target-state.ts";

/** Pure rules: which packages make a segment, which segments are joined, when layers are folded. */

/** A tail of so many is sealed. Compressing it is what each publish pays. */
export const TAIL_PACKAGES_MAX = 64;
/** Compressing a full segment takes some 60 ms, and one removal from it as much. */
export const SEGMENT_PACKAGES_MAX = 1_024;
/** So many small segments in a row are joined, even if more would fit. */
const JOINED_MIN = 16;
/** From here on a target has layers. Below, a client's whole refresh is some 100 KB. */
const LAYERED_MIN = 2_048;

/** Splits what is added to a tail into what is sealed, full segments first, and the new tail. */
export function sealable<T>(tail: readonly T[]): {
  readonly sealed: readonly (readonly T[])[];
  readonly tail: readonly T[];
} {
  const sealed: T[][] = [];
  let from = 0;
  while (tail.length - from >= TAIL_PACKAGES_MAX) {
    sealed.push(tail.slice(from, from + SEGMENT_PACKAGES_MAX));
    from += SEGMENT_PACKAGES_MAX;
  }
  return { sealed, tail: tail.slice(from) };
}

type Sized = Pick<SegmentRef, "id" | "packages">;

/**
 * Neighbours that make one segment together. `whole` takes all that fit; otherwise a group waits
 * until it cannot grow, so that a package is compressed again only a few times in its life.
 */
export function joinable<T extends Sized>(
  segments: readonly T[],
  { whole }: { readonly whole: boolean },
): readonly (readonly T[])[] {
  const groups: T[][] = [];
  let group: T[] = [];
  let packages = 0;
  const close = (isComplete: boolean): void => {
    if (group.length > 1 && (whole || isComplete || group.length >= JOINED_MIN)) groups.push(group);
    group = [];
    packages = 0;
  };
  for (const segment of segments) {
    if (packages + segment.packages > SEGMENT_PACKAGES_MAX) close(true);
    group.push(segment);
    packages += segment.packages;
  }
  close(false);
  return groups;
}

/** Does a target of so many packages get layers now? Once it has them it keeps them. */
export function startsLayers(packages: number): boolean {
  return packages >= LAYERED_MIN;
}

/**
 * Is it time to fold the updates layer into the base? Let each publish add one package to a target
 * of N. With a fold after every U, a client that follows downloads the updates each time, U/2
 * packages on average, and once per U publishes the new base, N packages: U/2 + N/U for each
 * publish, which is least at U = sqrt(2N): 447 for 100,000 packages.
 *
 * The first publishes after a fold carry the U folded packages too, for as long as the overlap
 * lasts (`fold-overlap.ts`). With r publishes in that time it is r·U packages per fold, r for each
 * publish, whatever U is: the best U stays. No fold comes before the overlap's end, so where r is
 * larger than U, r packages are folded at once and the updates are 2r at most.
 */
export function needsFold(packages: number, updates: number): boolean {
  return updates > Math.sqrt(2 * packages);
}
