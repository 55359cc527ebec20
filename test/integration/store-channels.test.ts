import { expect, test } from "vitest";
import { channelSettings } from "../../src/shared/channel-settings.ts";
import {
  deleteChannel,
  diffGenerations,
  findChannel,
  generationsOf,
  insertChannel,
  listedIn,
  newestListed,
  pinGeneration,
  requestChange,
  updateSettings,
  type ChangeWish,
} from "../../src/server/store/changes.ts";
import { channelHead } from "../../src/server/store/channels.ts";
import { switchPublishes } from "../../src/server/store/publish-switch.ts";
import { openServed } from "../../src/server/store/served.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aStore } from "../support/a-store.ts";
import { aPackage, change, claim, publish, switchOf, TARGET } from "../support/store-rig.ts";

interface Edit {
  readonly channel: string;
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

function editOf({ channel, add = [], remove = [] }: Edit): ChangeWish {
  const facts = { sha256: "2".repeat(64), fileName: "a.rpm", sizeBytes: 1, target: TARGET };
  const edit = {
    channel,
    add: add.map((nevra) => ({ ...facts, nevra })),
    remove: remove.map((nevra) => ({ target: TARGET, nevra })),
    advisories: [],
    extras: [],
    rewrite: false,
  };
  const request = { edits: [edit], yank: null };
  return { kind: "edit", channels: [channel], request, by: "admin", note: "" };
}

function restoreOf(channel: string, from: string, number: number): ChangeWish {
  const request = { channel, from: { channel: from, number } };
  return { kind: "restore", channels: [channel], request, by: "admin", note: "" };
}

async function nevrasIn(store: Store, channel: string, at?: number): Promise<readonly string[]> {
  const rows = await listedIn(store, { channel, ...(at === undefined ? {} : { at }) });
  return rows.map(({ nevra }) => nevra).toSorted();
}

const A1 = "a-1-1.noarch";
const A2 = "a-2-1.noarch";
const B1 = "b-1-1.noarch";
const C1 = "c-1-1.noarch";

/** `dev` lists a-1 and b-1 since generation 1, a-2 since generation 2. */
async function twoGenerations(store: Store) {
  await publish(store, [aPackage(), aPackage({ name: "b" })]);
  await publish(store, [aPackage({ version: "2" })]);
}

test("every generation can be asked what it lists, and two of them how they differ", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  await change(store, editOf({ channel: "dev", remove: [A1] }));
  await change(store, editOf({ channel: "dev", remove: [B1], add: [A1] }));

  expect(await nevrasIn(store, "dev", 1)).toEqual([A1, B1]);
  expect(await nevrasIn(store, "dev", 2)).toEqual([A1, A2, B1]);
  expect(await nevrasIn(store, "dev", 3)).toEqual([A2, B1]);
  expect(await nevrasIn(store, "dev", 4)).toEqual([A1, A2]);
  expect(await nevrasIn(store, "dev")).toEqual([A1, A2]);
  const diff = async (from: number, to: number) => {
    const found = await diffGenerations(store, "dev", { from, to, limit: 10 });
    return [found.added, found.removed].map((some) => some.map(({ nevra }) => nevra));
  };
  // a-1 went and came back: between 2 and 4 it is the same.
  expect(await diff(2, 4)).toEqual([[], [B1]]);
  expect(await diff(3, 4)).toEqual([[A1], [B1]]);
  expect(await diff(4, 3)).toEqual([[B1], [A1]]);
  expect(await diff(1, 4)).toEqual([[A2], [B1]]);
  expect(await diff(4, 4)).toEqual([[], []]);
  // It came and went between the two.
  await change(store, editOf({ channel: "dev", remove: [A1] }));
  expect(await diff(3, 5)).toEqual([[], [B1]]);
});

test("what is listed twice, or removed without being listed, changes nothing", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);

  await change(store, editOf({ channel: "dev", add: [A1, A2], remove: [C1] }));

  expect(await nevrasIn(store, "dev")).toEqual([A1, A2, B1]);
  const { added, removed } = await diffGenerations(store, "dev", { from: 2, to: 3, limit: 9 });
  expect([...added, ...removed]).toEqual([]);
});

test("one edit that removes and adds the same package leaves it listed as before", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);

  await change(store, editOf({ channel: "dev", add: [A1], remove: [A1] }));

  expect(await listedIn(store, { channel: "dev", nevras: [A1] })).toMatchObject([
    { sinceGeneration: 1 },
  ]);
});

test("the newest of a name is told by rpm's order, for each target and architecture", async () => {
  await using held = await aStore();
  const { store } = held;
  const versions = ["9", "10", "10~rc1"].map((version) => aPackage({ version, arch: "x86_64" }));
  await publish(store, [...versions, aPackage({ version: "3", targets: ["el9.x86_64"] })]);

  const newest = await newestListed(store, { channel: "dev", names: ["a", "b"] });

  expect(
    newest.map(({ target, version, arch }) => `${target} ${version} ${arch}`).toSorted(),
  ).toEqual([`${TARGET} 10 x86_64`, "el9.x86_64 3 noarch"]);
});

test("a fork lists what its parent did, without a row of its own, and goes its own way", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  const parent = { name: "dev", number: 2 };
  await store.write((tx) => insertChannel(tx, { name: "topic", parent }));
  expect(await nevrasIn(store, "topic")).toEqual([]);

  await change(store, restoreOf("topic", "dev", 2));
  const rows = () =>
    store.db.selectFrom("listings").selectAll().where("channel", "=", "topic").execute();
  expect(await rows()).toEqual([]);
  expect(await nevrasIn(store, "topic")).toEqual([A1, A2, B1]);

  await publish(store, [aPackage({ name: "c" })]);
  await change(store, editOf({ channel: "dev", remove: [A2, B1] }));
  expect(await nevrasIn(store, "topic")).toEqual([A1, A2, B1]);
  await change(store, editOf({ channel: "topic", add: [C1, A1], remove: [A1, B1] }));
  await change(store, editOf({ channel: "topic", remove: [A2] }));

  expect(await nevrasIn(store, "topic")).toEqual([A1, C1]);
  expect(await nevrasIn(store, "topic", 1)).toEqual([A1, A2, B1]);
  expect(await nevrasIn(store, "topic", 2)).toEqual([A1, A2, C1]);
  expect(await nevrasIn(store, "dev")).toEqual([A1, C1]);
  const { added, removed } = await diffGenerations(store, "topic", { from: 1, to: 3, limit: 9 });
  expect([added, removed].map((some) => some.map(({ nevra }) => nevra))).toEqual([[C1], [A2, B1]]);

  await change(store, restoreOf("topic", "topic", 1));
  expect(await nevrasIn(store, "topic")).toEqual([A1, A2, B1]);
  const found = await readStore(store, { liveSince: () => 0 }).packageByNevra(B1);
  expect(found?.listings).toEqual([{ channel: "topic", target: TARGET }]);
});

test("a fork follows its parent when it is asked to, whatever it did meanwhile", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  const parent = { name: "dev", number: 2 };
  await store.write((tx) => insertChannel(tx, { name: "topic", parent }));
  await change(store, restoreOf("topic", "dev", 2));
  await change(store, editOf({ channel: "topic", remove: [A1] }));
  await publish(store, [aPackage({ name: "c" })]);
  await change(store, editOf({ channel: "dev", remove: [B1] }));

  await change(store, restoreOf("topic", "dev", 4));

  expect(await nevrasIn(store, "topic")).toEqual([A1, A2, C1]);
  expect(await nevrasIn(store, "topic", 2)).toEqual([A2, B1]);
  expect(await nevrasIn(store, "topic", 1)).toEqual([A1, A2, B1]);
});

test("a restore that shares its generation with edits before it has the last word", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  const [first, second] = await store.write(async (tx) => [
    await requestChange(tx, editOf({ channel: "dev", remove: [A1] })),
    await requestChange(tx, editOf({ channel: "dev", remove: [A2] })),
  ]);
  await claim(store, "t-1");
  await claim(store, "t-2");
  held.advance(1);
  const third = await store.write((tx) => requestChange(tx, restoreOf("dev", "dev", 1)));
  await claim(store, "t-3");
  const wishes = [first, second, third].map((publishId, index) =>
    switchOf({ publishId, token: `t-${index + 1}`, base: 2, packages: [] }),
  );
  const [wish] = wishes;
  if (wish === undefined) throw new Error("There are three.");

  const batch = { ...wish, publishes: wishes.flatMap(({ publishes }) => publishes) };
  const { answer } = await store.write((tx) => switchPublishes(tx, batch));

  expect(answer).toEqual({ kind: "live" });
  expect(await nevrasIn(store, "dev")).toEqual([A1, B1]);
  expect(await nevrasIn(store, "dev", 3)).toEqual([A1, B1]);
  expect(await nevrasIn(store, "dev", 2)).toEqual([A1, A2, B1]);
});

test("a channel of its own takes over another's lists, a fork's as well", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  const parent = { name: "dev", number: 2 };
  await store.write((tx) => insertChannel(tx, { name: "topic", parent }));
  await change(store, restoreOf("topic", "dev", 2));
  await change(store, editOf({ channel: "topic", remove: [A1] }));

  await change(store, restoreOf("stable", "topic", 2));
  await change(store, restoreOf("stable", "dev", 1));

  expect(await nevrasIn(store, "stable", 1)).toEqual([A2, B1]);
  expect(await nevrasIn(store, "stable", 2)).toEqual([A1, B1]);
});

test("a channel with forks stays until they are deleted; a name that is taken is not made again", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  const parent = { name: "dev", number: 2 };
  const make = () => store.write((tx) => insertChannel(tx, { name: "topic", parent }));

  expect(await make()).toBe(true);
  expect(await make()).toBe(false);
  const child = { name: "deeper", parent: { name: "topic", number: 1 } };
  await expect(store.write((tx) => insertChannel(tx, child))).rejects.toThrow("a child itself");
  const remove = (name: string) => store.write((tx) => deleteChannel(tx, name));
  expect(await remove("dev")).toEqual({ kind: "has-children", children: ["topic"] });
  expect(await remove("topic")).toEqual({ kind: "deleted", changes: [] });
  expect(await remove("topic")).toEqual({ kind: "not-found" });
  expect(await remove("dev")).toEqual({ kind: "deleted", changes: [] });
  expect(await store.db.selectFrom("listings").selectAll().execute()).toEqual([]);
  expect(await store.db.selectFrom("generations").selectAll().execute()).toEqual([]);
});

test("settings are kept whole, and a generation that is pinned says so", async () => {
  await using held = await aStore();
  const { store } = held;
  await twoGenerations(store);
  const settings = channelSettings.parse({ compression: "zstd" });

  await store.write((tx) => updateSettings(tx, "dev", { settings, expiresAt: 5 }));
  const pin = (number: number) =>
    store.write((tx) =>
      pinGeneration(tx, { channel: "dev", number }, { isPinned: true, note: "release" }),
    );

  expect(await findChannel(store, "dev")).toMatchObject({ settings, expiresAt: 5, head: 2 });
  expect(await channelHead(store, "dev")).toMatchObject({ head: 2, settings });
  expect(await pin(1)).toBe(true);
  expect(await pin(9)).toBe(false);
  expect(await generationsOf(store, "dev", { limit: 1, below: 2 })).toMatchObject([
    { number: 1, isPinned: 1, pinNote: "release" },
  ]);
});

test("what is served is remembered, and forgotten with the commit that changes it", async () => {
  await using held = await aStore();
  const { store } = held;
  const served = openServed(store);
  expect(await served.channel("dev")).toMatchObject({ head: 0, targets: {} });

  await publish(store, [aPackage()]);
  expect(await served.channel("dev")).toMatchObject({ head: 1, targets: { [TARGET]: 1 } });
  // Nothing said that it has changed, so nobody asks.
  await store.db.updateTable("channels").set({ head: 7 }).execute();
  expect(await served.channel("dev")).toMatchObject({ head: 1 });
});
