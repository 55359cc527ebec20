import type { TargetState } from "../../../src/yum/target-state.ts";

/** What the generations that stay need, wherever it is. */
export interface Reachable {
  /** Ids. */
  readonly segments: ReadonlySet<string>;
  /** Digests of metadata files that are kept whole. */
  readonly extras: ReadonlySet<string>;
  /** Digests of signed RPMs. */
  readonly packages: ReadonlySet<string>;
}

/** `packagesIn`: digests of the packages of a segment. */
export function reachableFrom(
  states: Iterable<Pick<TargetState, "segments" | "tail" | "extras">>,
  packagesIn: (segmentId: string) => Iterable<string>,
): Reachable {
  const segments = new Set<string>();
  const extras = new Set<string>();
  const packages = new Set<string>();
  for (const state of states) {
    for (const { sha256 } of state.extras) extras.add(sha256);
    for (const { sha256 } of state.tail) packages.add(sha256);
    for (const { id } of state.segments) {
      if (segments.has(id)) continue;
      segments.add(id);
      for (const sha256 of packagesIn(id)) packages.add(sha256);
    }
  }
  return { segments, extras, packages };
}

export interface GenerationAge {
  readonly channel: string;
  readonly number: number;
  /** Epoch milliseconds. */
  readonly changedAt: number;
}

/** Those that nobody asked to keep and that are old enough. */
export function generationsToDrop<G extends GenerationAge>(
  found: readonly G[],
  keep: readonly { readonly channel: string; readonly numbers: readonly number[] }[],
  before: number,
): readonly G[] {
  const kept = new Set(
    keep.flatMap(({ channel, numbers }) => numbers.map((number) => `${channel}/${number}`)),
  );
  return found.filter(({ channel, number, changedAt }) => {
    return !kept.has(`${channel}/${number}`) && changedAt < before;
  });
}
