import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { DocumentName } from "../../../../src/yum/layout.ts";
import type { Compression, SegmentRef } from "../../../../src/yum/target-state.ts";

/** Hashing of a document's compressed bytes, or of the XML that they hold. */
export interface Lane {
  readonly document: DocumentName;
  readonly form: "compressed" | "open";
}

/**
 * States of sha256 after a document's head and some of its segments. The head has the exact number
 * of packages, so each state is good for one number; it belongs to no channel or target, since a
 * list of segments means the same bytes everywhere.
 */
export interface PrefixStates {
  /** A copy, to go on with. `prefix`: of `prefixKeys`. */
  get(lane: Lane, prefix: string, packages: number): Hash | undefined;
  has(lane: Lane, prefix: string, packages: number): boolean;
  /** Keeps a copy. */
  set(lane: Lane, prefix: string, packages: number, state: Hash): void;
}

/** A state takes 1.1 KB. */
const STATES_MAX = 4_096;

export function openPrefixStates(): PrefixStates {
  const kept = new Map<string, Hash>();
  const keyOf = ({ document, form }: Lane, prefix: string, packages: number): string =>
    `${document} ${form} ${packages} ${prefix}`;

  return {
    get: (lane, prefix, packages) => kept.get(keyOf(lane, prefix, packages))?.copy(),
    has: (lane, prefix, packages) => kept.has(keyOf(lane, prefix, packages)),
    set: (lane, prefix, packages, state) => {
      const key = keyOf(lane, prefix, packages);
      kept.delete(key);
      kept.set(key, state.copy());
      for (const oldest of kept.keys()) {
        if (kept.size <= STATES_MAX) return;
        kept.delete(oldest);
      }
    },
  };
}

/** Item `n` names the first `n` segments; the first item is the empty list. */
export function prefixKeys(
  compression: Compression,
  segments: readonly Pick<SegmentRef, "id">[],
): readonly string[] {
  let key: string = compression;
  return [
    key,
    ...segments.map(({ id }) => (key = createHash("sha256").update(key).update(id).digest("hex"))),
  ];
}

/** How many of the segments the longest known state covers; undefined: not even the head. */
export function longestPrefix(
  states: PrefixStates,
  lane: Lane,
  keys: readonly string[],
  packages: number,
): number | undefined {
  for (let covered = keys.length - 1; covered >= 0; covered -= 1) {
    if (states.has(lane, keys[covered] ?? "", packages)) return covered;
  }
  return undefined;
}
