import { afterAll, beforeAll, expect, test } from "vitest";
import { readSegment, segmentsOf } from "../../src/yum/target-state.ts";
import type { ListedPackage } from "../../src/yum/target-state.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import { servedDocuments } from "../support/naive-listing.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { RigEdit, YumEngineRig } from "../support/yum-engine-rig.ts";

/** Enough for layers. From 66 packages on, the updates are folded into the base. */
const LARGE = 2_100;
const HOURS_MS = 2 * 3_600_000;
const target = "el9.x86_64";

let keys: Awaited<ReturnType<typeof makeEngineKeys>>;
let rig: YumEngineRig;
let packages: readonly ListedPackage[];
let channels = 0;

beforeAll(async () => {
  keys = await makeEngineKeys();
  rig = await startYumEngine(keys);
  const into = { yumDir: rig.layout.yumDir };
  packages = await writeManyRpms(await makeSeeds(), { into, count: LARGE + 100 });
}, 300_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await keys?.[Symbol.asyncDispose]();
});

interface Layers {
  readonly number: number;
  readonly base: readonly string[];
  readonly updates: readonly string[];
}

const nevras = (from: number, to: number) => packages.slice(from, to).map(({ nevra }) => nevra);

/** A channel of its own, and what its layers list after each change. */
function newChannel() {
  const channel = `layers-${(channels += 1)}`;
  const layers = async (): Promise<Layers> => {
    const number = rig.heads.get(channel) ?? 0;
    const state = await rig.engine.state(channel, number, target);
    if (!state?.views.base || !state.views.updates) throw new Error("There are no layers.");
    const listed = async (layer: "base" | "updates") => {
      await servedDocuments(rig.layout, { channel, number, target: `${target}-${layer}` });
      const sealed = segmentsOf(state, layer).map(({ id }) => readSegment(rig.layout, id));
      const tail = layer === "base" ? [] : state.tail;
      const all = [...(await Promise.all(sealed)).flatMap((each) => each.packages), ...tail];
      expect(state.views[layer]?.packages).toBe(all.length);
      return all.map(({ nevra }) => nevra);
    };
    return { number, base: await listed("base"), updates: await listed("updates") };
  };
  return {
    channel,
    edit: async (edit: RigEdit) => {
      await rig.publish({ channel, ...edit });
      return await layers();
    },
    add: async (from: number, to: number) => {
      await rig.publish({ channel, add: { [target]: packages.slice(from, to) } });
      return await layers();
    },
    restore: async (number: number) => {
      rig.adopt(await rig.restore(channel, { channel, number }));
      return await layers();
    },
  };
}

/** For a host that reads only one layer anew: it sees these whichever it is. */
function expectBothWays(before: Layers, now: Layers, wanted: readonly string[]): void {
  const sees = ({ base }: Layers, { updates }: Layers) => new Set([...base, ...updates]);
  expect(wanted.filter((nevra) => !sees(before, now).has(nevra))).toEqual([]);
  expect(wanted.filter((nevra) => !sees(now, before).has(nevra))).toEqual([]);
}

test("what a fold moves to the base stays in the updates until no host has the old base", async () => {
  const { add } = newChannel();
  await add(0, LARGE);
  const before = await add(LARGE, LARGE + 60);
  const folded = await add(LARGE + 60, LARGE + 70);
  expect(folded.base).toEqual(nevras(0, LARGE + 60));
  expect(folded.updates).toEqual(nevras(LARGE, LARGE + 70));
  expectBothWays(before, folded, nevras(0, LARGE + 60));

  rig.clock.nowMs += HOURS_MS - 1;
  expect((await add(LARGE + 70, LARGE + 71)).updates).toEqual(nevras(LARGE, LARGE + 71));
  rig.clock.nowMs += 1;
  expect((await add(LARGE + 71, LARGE + 72)).updates).toEqual(nevras(LARGE + 60, LARGE + 72));
});

test("the overlap lasts for twice the time that the channel lets hosts keep metadata", async () => {
  const { add, edit } = newChannel();
  const settings = { metadataExpireSeconds: 4 * 3_600 };
  const one = (at: number) => edit({ settings, add: { [target]: packages.slice(at, at + 1) } });
  await add(0, LARGE);
  await add(LARGE, LARGE + 60);
  await add(LARGE + 60, LARGE + 70);

  rig.clock.nowMs += 4 * HOURS_MS - 1;
  expect((await one(LARGE + 70)).updates.length).toBe(71);
  rig.clock.nowMs += 1;
  expect((await one(LARGE + 71)).updates.length).toBe(12);
});

test("a package taken from the base during an overlap makes another, and the first stays", async () => {
  const { add, edit } = newChannel();
  await add(0, LARGE);
  const first = await add(LARGE, LARGE + 60);
  const second = await add(LARGE + 60, LARGE + 70);

  const now = await edit({ remove: { [target]: nevras(3, 4) } });

  const left = [...nevras(0, 3), ...nevras(4, LARGE + 70)];
  expect(now.base).toEqual(left);
  expectBothWays(first, now, left.slice(0, -10));
  expectBothWays(second, now, left);
});

test("an undo to before a fold takes nothing from hosts, long after it", async () => {
  const { add, restore } = newChannel();
  await add(0, LARGE);
  const old = await add(LARGE, LARGE + 60);
  await add(LARGE + 60, LARGE + 70);
  rig.clock.nowMs += HOURS_MS;
  const before = await add(LARGE + 70, LARGE + 71);

  const now = await restore(old.number);

  expect(now.base).toEqual(nevras(0, LARGE + 60));
  expectBothWays(before, now, nevras(0, LARGE + 60));
});

test("an undo to before a fold leaves what was folded in the updates, for hosts with the base before", async () => {
  const { add, restore } = newChannel();
  await add(0, LARGE);
  // So many are sealed, and not in the tail.
  const old = await add(LARGE, LARGE + 64);
  const before = await add(LARGE + 64, LARGE + 74);

  const now = await restore(old.number);

  expectBothWays(old, now, nevras(0, LARGE + 64));
  expectBothWays(before, now, nevras(0, LARGE + 64));
});

test("an undo of what came after the last fold leaves the base as it is", async () => {
  const { channel, add, restore } = newChannel();
  const base = await add(0, LARGE);
  const old = await add(LARGE, LARGE + 2);
  await add(LARGE + 2, LARGE + 4);

  expect((await restore(old.number)).updates).toEqual(nevras(LARGE, LARGE + 2));
  const state = await rig.engine.state(channel, 4, target);
  expect(state?.views.base?.since).toBe(base.number);
});

test("a rewrite takes nothing from hosts", async () => {
  const { add, edit } = newChannel();
  await add(0, LARGE);
  const before = await add(LARGE, LARGE + 60);

  const now = await edit({ rewrite: true, settings: { compression: "zstd" } });

  expect(now.base).toEqual(nevras(0, LARGE + 60));
  expectBothWays(before, now, nevras(0, LARGE + 60));
});

test("hosts that read layers find them when little is left, or nothing", async () => {
  const { add, edit, restore } = newChannel();
  await rig.publish({ channel: `layers-${channels}`, add: { [target]: packages.slice(0, 5) } });
  const before = await add(5, LARGE);
  const few = await restore(1);
  expectBothWays(before, few, nevras(0, 5));

  const none = await edit({ remove: { [target]: nevras(0, 5) } });
  expect([none.base, none.updates]).toEqual([[], []]);
  const one = await add(7, 8);
  expect([one.base, one.updates]).toEqual([nevras(7, 8), nevras(7, 8)]);
});
