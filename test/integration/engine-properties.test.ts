import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ListedPackage } from "../../src/yum/target-state.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import type { Seed } from "../support/many-rpms.ts";
import { naiveDocuments, servedDocuments } from "../support/naive-listing.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { YumEngineRig } from "../support/yum-engine-rig.ts";

const PACKAGES = 3_600;
const TARGETS = ["el9.x86_64", "el9.aarch64"] as const;

let keys: Awaited<ReturnType<typeof makeEngineKeys>>;
let seeds: readonly Seed[];

beforeAll(async () => {
  [keys, seeds] = await Promise.all([makeEngineKeys(), makeSeeds()]);
});

afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

type Operation =
  | { readonly kind: "add"; readonly count: number; readonly targets: number }
  | { readonly kind: "remove"; readonly where: readonly number[]; readonly target: number }
  | { readonly kind: "restore"; readonly back: number }
  | { readonly kind: "rewrite"; readonly compression: "gzip" | "zstd" }
  | { readonly kind: "wait"; readonly minutes: number }
  | { readonly kind: "settle" }
  | { readonly kind: "reopen" };

const counts = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) },
  { weight: 4, arbitrary: fc.integer({ min: 40, max: 130 }) },
  { weight: 1, arbitrary: fc.integer({ min: 900, max: 1_300 }) },
);
const operations: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      count: counts,
      targets: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("remove" as const),
      where: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 }),
      target: fc.integer({ min: 0, max: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restore" as const), back: fc.nat(4) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("rewrite" as const),
      compression: fc.constantFrom("gzip" as const, "zstd" as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      minutes: fc.constantFrom(1, 20, 59, 61, 119, 121),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

type Lists = Readonly<Record<string, readonly ListedPackage[]>>;

/** What hosts find in a generation's layers. Without layers they read all. */
interface Seen {
  readonly atMs: number;
  readonly isLayered: boolean;
  readonly base: ReadonlySet<string>;
  readonly updates: ReadonlySet<string>;
  readonly all: ReadonlySet<string>;
}

/** What the channel should list after each generation. */
interface Model {
  readonly history: Map<number, Lists>;
  /** By target, oldest first. */
  readonly seen: Map<string, Seen[]>;
  lists: Lists;
  unused: readonly ListedPackage[];
}

test(
  "after any changes every view has exactly the packages, in their order, under true checksums",
  { timeout: 600_000 },
  async () => {
    await using rig = await startYumEngine(keys);
    const into = { yumDir: rig.layout.yumDir };
    const packages = await writeManyRpms(seeds, { into, count: PACKAGES });
    const naive = naiveDocuments(rig.layout);

    const property = fc.asyncProperty(
      // From 2,048 packages on a target has layers.
      fc.constantFrom(0, 2_000, 2_100),
      fc.array(operations, { minLength: 8, maxLength: 16 }),
      async (first, rest) => {
        const all: readonly Operation[] = [{ kind: "add", count: first, targets: 1 }, ...rest];
        rig.heads.clear();
        const channel = `run-${(runs += 1)}`;
        const model: Model = {
          history: new Map(),
          seen: new Map(),
          lists: {},
          unused: packages,
        };
        for (const operation of all) {
          const number = await apply(rig, channel, model, operation);
          if (number === undefined) continue;
          model.history.set(number, model.lists);
          const layers = await expectServed(rig, naive, { channel, number }, model.lists);
          for (const [target, seen] of layers) {
            model.seen.set(target, [...(model.seen.get(target) ?? []), seen]);
            expectNothingVanishes(model.seen.get(target) ?? []);
          }
        }
        // What was staged later has changed nothing of what came before.
        const [oldest] = model.history;
        if (oldest) await expectServed(rig, naive, { channel, number: oldest[0] }, oldest[1]);
      },
    );
    let runs = 0;
    await fc.assert(property, { numRuns: 8, endOnFailure: true });
  },
);

async function apply(
  rig: YumEngineRig,
  channel: string,
  model: Model,
  operation: Operation,
): Promise<number | undefined> {
  if (operation.kind === "wait") {
    rig.clock.nowMs += operation.minutes * 60_000;
    return undefined;
  }
  if (operation.kind === "settle" || operation.kind === "reopen") {
    await (operation.kind === "settle" ? rig.engine.settled() : rig.reopen());
    return undefined;
  }
  if (operation.kind === "add") {
    const added = model.unused.slice(0, operation.count);
    model.unused = model.unused.slice(operation.count);
    const targets = TARGETS.filter((_, i) => (operation.targets & (1 << i)) !== 0);
    const add = Object.fromEntries(targets.map((target) => [target, added]));
    const after = targets.map((target) => [target, [...(model.lists[target] ?? []), ...added]]);
    if (added.length > 0) model.lists = { ...model.lists, ...Object.fromEntries(after) };
    return (await rig.publish({ channel, add }))?.number;
  }
  if (operation.kind === "remove") {
    const target = TARGETS[operation.target] ?? TARGETS[0];
    const listed = model.lists[target] ?? [];
    const at = operation.where.map((part) => Math.floor(part * (listed.length - 1)));
    const nevras = [...new Set(at.flatMap((i) => listed[i]?.nevra ?? []))];
    const after = listed.filter(({ nevra }) => !nevras.includes(nevra));
    if (nevras.length > 0) model.lists = { ...model.lists, [target]: after };
    return (await rig.publish({ channel, remove: { [target]: nevras } }))?.number;
  }
  if (operation.kind === "rewrite") {
    const settings = { compression: operation.compression };
    return (await rig.publish({ channel, settings, rewrite: true }))?.number;
  }
  const [number, lists] = [...model.history].at(-1 - operation.back) ?? [];
  if (number === undefined || lists === undefined) return undefined;
  const staged = await rig.restore(channel, { channel, number });
  rig.adopt(staged);
  const gone = Object.keys(model.lists).filter((target) => !(target in lists));
  model.lists = { ...Object.fromEntries(gone.map((target) => [target, []])), ...lists };
  return staged?.number;
}

async function expectServed(
  rig: YumEngineRig,
  naive: ReturnType<typeof naiveDocuments>,
  { channel, number }: { readonly channel: string; readonly number: number },
  lists: Lists,
): Promise<ReadonlyMap<string, Seen>> {
  const seen = new Map<string, Seen>();
  const file = await rig.engine.state(channel, number, "none");
  expect(file).toBeUndefined();
  for (const [target, packages] of Object.entries(lists)) {
    const place = { channel, number, target };
    const { revision: _, ...documents } = await servedDocuments(rig.layout, place);
    const wanted = await naive(packages);
    // Not `toEqual`, which would print megabytes.
    expect(documents.primary === wanted.primary).toBe(true);
    expect(documents.filelists === wanted.filelists).toBe(true);
    expect(documents.other === wanted.other).toBe(true);

    const state = await rig.engine.state(channel, number, target);
    if (state === undefined) throw new Error(`${target} has no state.`);
    expect(state.tail.length).toBeLessThanOrEqual(64);
    expect(Math.max(0, ...state.segments.map((each) => each.packages))).toBeLessThanOrEqual(1_024);
    const setOf = (some: readonly ListedPackage[]) => new Set(some.map(({ nevra }) => nevra));
    const all = { atMs: rig.clock.nowMs, all: setOf(packages) };
    seen.set(target, { ...all, isLayered: false, base: all.all, updates: all.all });
    if (state.views.base === null) continue;
    const inBase = state.views.base.packages;
    const { updatesFrom = state.baseSegments } = state;
    const before = state.segments.slice(0, updatesFrom).reduce((sum, at) => sum + at.packages, 0);
    const layers = { base: packages.slice(0, inBase), updates: packages.slice(before) };
    for (const [layer, part] of Object.entries(layers)) {
      const served = await servedDocuments(rig.layout, { ...place, target: `${target}-${layer}` });
      const naiveLayer = await naive(part);
      expect(served.primary === naiveLayer.primary).toBe(true);
      expect(served.other === naiveLayer.other).toBe(true);
    }
    const of = { base: setOf(layers.base), updates: setOf(layers.updates) };
    seen.set(target, { ...all, isLayered: true, ...of });
    // While hosts may have an earlier base, it is not folded again.
    if (state.updatesFrom !== undefined) continue;
    expect(packages.length - inBase).toBeLessThanOrEqual(Math.sqrt(2 * packages.length));
  }
  return seen;
}

const EXPIRE_MS = 3_600_000;

/**
 * A host has one layer as it is now, and the other as some earlier generation had it, fetched an hour
 * ago at most: it sees every package that was listed all the time.
 */
function expectNothingVanishes(history: readonly Seen[]): void {
  const now = history.at(-1);
  if (now === undefined) return;
  let always = [...now.all];
  for (let i = history.length - 2; i >= 0; i -= 1) {
    const [then, next] = [history[i], history[i + 1]];
    // The next generation was live when it was over with this one.
    // Who reads a target in layers finds them for ever.
    expect(now.isLayered || then?.isLayered !== true).toBe(true);
    if (then === undefined || next === undefined || now.atMs - next.atMs > EXPIRE_MS) return;
    always = always.filter((nevra) => then.all.has(nevra));
    expect(always.filter((nevra) => !then.base.has(nevra) && !now.updates.has(nevra))).toEqual([]);
    expect(always.filter((nevra) => !now.base.has(nevra) && !then.updates.has(nevra))).toEqual([]);
  }
}
