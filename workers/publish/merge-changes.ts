import type { NewPackage, StageRequest } from "./engine/engine.ts";
import type { ChannelChange } from "./prepared.ts";
import type { Member } from "./turns.ts";

type Merged = Omit<StageRequest, "stagingDir">;
type Edit = Extract<ChannelChange["edit"], { kind: "edit" }>;

/** One change for each channel: what all members want of it. Those that oppose each other never meet here. */
export function mergeChanges(
  members: readonly {
    readonly prepared: Member["prepared"];
    readonly publish: { grant: { publishId: string } };
  }[],
): readonly Merged[] {
  const merged = new Map<string, Merged>();
  for (const { publish, prepared } of members) {
    for (const change of prepared.changes) {
      const so = { ...change, builtFor: [publish.grant.publishId], storing: prepared.storing };
      const before = merged.get(change.channel);
      merged.set(change.channel, before === undefined ? so : mergeTwo(before, so));
    }
  }
  return [...merged.values()];
}

/** The later one's settings count: it was granted later. */
function mergeTwo(first: Merged, second: Merged): Merged {
  return {
    ...second,
    head: Math.max(first.head, second.head),
    builtFor: [...first.builtFor, ...second.builtFor],
    storing: Promise.all([first.storing, second.storing]),
    edit: mergeEdits(first.edit, second.edit),
  };
}

function mergeEdits(
  first: ChannelChange["edit"],
  second: ChannelChange["edit"],
): ChannelChange["edit"] {
  if (first.kind === "restore" || second.kind === "restore") {
    throw new TypeError("A restored channel is changed by nobody else in the same turn.");
  }
  return {
    kind: "edit",
    add: mergeAdded(first.add, second.add),
    remove: mergeLists(first.remove, second.remove, (nevra) => nevra),
    advisories: [...first.advisories, ...second.advisories],
    extras: [...first.extras, ...second.extras],
    rewrite: first.rewrite || second.rewrite,
  };
}

function mergeAdded(first: Edit["add"], second: Edit["add"]): Map<string, readonly NewPackage[]> {
  return mergeLists(first, second, ({ nevra }) => nevra);
}

/** What both have is there once. */
function mergeLists<T>(
  first: ReadonlyMap<string, readonly T[]>,
  second: ReadonlyMap<string, readonly T[]>,
  keyOf: (item: T) => string,
): Map<string, readonly T[]> {
  const merged = new Map(first);
  for (const [target, items] of second) {
    const before = merged.get(target) ?? [];
    const known = new Set(before.map(keyOf));
    merged.set(target, [...before, ...items.filter((item) => !known.has(keyOf(item)))]);
  }
  return merged;
}
