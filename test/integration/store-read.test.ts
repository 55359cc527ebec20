import { expect, test } from "vitest";
import { insertChannel, markYanked } from "../../src/server/store/changes.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aStore } from "../support/a-store.ts";
import { aPackage, change, publish, TARGET } from "../support/store-rig.ts";

const readOf = (store: Store) => readStore(store, { liveSince: () => 0 });

const page = async (store: Store, filter: object = {}) =>
  (
    await readOf(store).channelPackages({ channel: "dev", target: TARGET, limit: 9, ...filter })
  ).map(({ nevra }) => nevra);

test("a channel's packages come by name, the newest first, a page of names at a time", async () => {
  await using held = await aStore();
  const { store } = held;
  const versions = ["9", "10"].map((version) => aPackage({ version }));
  const elsewhere = aPackage({ name: "z", targets: ["el9.x86_64"] });
  const others = ["b", "b_c", "bxc"].map((name) => aPackage({ name }));
  await publish(store, [...versions, ...others, elsewhere]);

  expect(await page(store, { limit: 2 })).toEqual([
    "a-10-1.noarch",
    "a-9-1.noarch",
    "b-1-1.noarch",
  ]);
  expect(await page(store, { afterName: "b" })).toEqual(["b_c-1-1.noarch", "bxc-1-1.noarch"]);
  // What a reader types means itself.
  expect(await page(store, { query: "b_c" })).toEqual(["b_c-1-1.noarch"]);
  expect(await page(store, { query: "%" })).toEqual([]);
  expect(await page(store, { channel: "nowhere" })).toEqual([]);
});

test("a fork's packages come in the same order, inherited or not", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(
    store,
    ["a", "b", "c"].map((name) => aPackage({ name })),
  );
  const parent = { name: "dev", number: 1 };
  await store.write((tx) => insertChannel(tx, { name: "topic", parent }));
  const asked = { channels: ["topic"], by: "admin", note: "" };
  const request = { channel: "topic", from: { channel: "dev", number: 1 } };
  await change(store, { ...asked, kind: "restore", request });
  await publish(store, [aPackage({ name: "b", version: "2" }), aPackage({ name: "d" })]);
  const pooled = { sha256: "2".repeat(64), fileName: "b.rpm", sizeBytes: 1, target: TARGET };
  const edit = {
    channel: "topic",
    add: [{ ...pooled, nevra: "b-2-1.noarch" }],
    remove: [{ target: TARGET, nevra: "c-1-1.noarch" }],
    advisories: [],
    extras: [],
    rewrite: false,
  };
  await change(store, { ...asked, kind: "edit", request: { edits: [edit], yank: null } });

  expect(await page(store, { channel: "topic" })).toEqual([
    "a-1-1.noarch",
    "b-2-1.noarch",
    "b-1-1.noarch",
  ]);
  expect(await page(store, { channel: "topic", limit: 1, afterName: "a" })).toEqual([
    "b-2-1.noarch",
    "b-1-1.noarch",
  ]);
});

test("names tell their newest version in each channel, and whose they are", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage({ version: "9" }), aPackage({ name: "b", epoch: 2 })]);
  held.advance(5);
  await publish(store, [aPackage({ version: "10" })]);
  const pooled = { sha256: "2".repeat(64), fileName: "a.rpm", sizeBytes: 1, target: TARGET };
  const add = [{ ...pooled, nevra: "a-9-1.noarch" }];
  const edit = { channel: "stable", add, remove: [], advisories: [], extras: [], rewrite: false };
  await change(store, {
    kind: "edit",
    channels: ["stable"],
    by: "admin",
    note: "",
    request: { edits: [edit], yank: null },
  });

  const names = await readOf(store).listPackages({ limit: 9 });

  expect(names).toMatchObject([
    {
      name: "a",
      repo: "acme/hello",
      newest: { dev: "10-1", stable: "9-1" },
      publishedAt: store.now(),
    },
    { name: "b", newest: { dev: "2:1-1" } },
  ]);
  expect(await readOf(store).listPackages({ limit: 9, query: "b" })).toHaveLength(1);
  expect(await readOf(store).listPackages({ limit: 1, afterName: "a" })).toMatchObject([
    { name: "b" },
  ]);
  const versions = await readOf(store).packagesByName("a");
  expect(versions.map(({ version }) => version)).toEqual(["10", "9"]);
});

test("a package tells that it is yanked", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  const yank = { reason: "eats data", refuse: true };
  await store.write((tx) => markYanked(tx, ["a-1-1.noarch"], yank));

  expect(await readOf(store).packageByNevra("a-1-1.noarch")).toMatchObject({
    yanked: { at: store.now(), reason: "eats data", refused: true },
  });
  expect(await readOf(store).packageByNevra("a-2-1.noarch")).toBeUndefined();
});

test("a channel's page tells how many it lists, what each generation changed, and why", async () => {
  await using held = await aStore();
  const { store } = held;
  const many = Array.from({ length: 30 }, (_, index) =>
    aPackage({ name: `n${String(index).padStart(2, "0")}`, targets: [TARGET, "el9.x86_64"] }),
  );
  await publish(store, many);
  const remove = [{ target: TARGET, nevra: "n07-1-1.noarch" }];
  const edit = { channel: "dev", add: [], remove, advisories: [], extras: [], rewrite: false };
  const request = { edits: [edit], yank: null };
  const wish = {
    kind: "edit",
    channels: ["dev"],
    by: "admin",
    note: "not for us",
    request,
  } as const;
  await change(store, wish, { [TARGET]: 29, "el9.x86_64": 30 });

  const channel = await readOf(store).channelByName("dev");

  expect(channel).toMatchObject({
    head: 2,
    targets: [
      { name: TARGET, packages: 29 },
      { name: "el9.x86_64", packages: 30 },
    ],
  });
  const [second, first] = channel?.generations ?? [];
  expect(second).toMatchObject({
    number: 2,
    causes: [{ kind: "edit", by: "admin", note: "not for us", build: null }],
    added: [],
    removed: ["n07-1-1.noarch"],
  });
  // Each package once, though it is listed in two targets; and not all of them.
  expect(first?.added).toHaveLength(20);
  expect(new Set(first?.added).size).toBe(20);
});
