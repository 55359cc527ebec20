import { expect, test } from "vitest";
import {
  createChannelRequest,
  importRequest,
  patchChannelRequest,
  pinRequest,
  type CreateChannelRequest,
  type PatchChannelRequest,
} from "../../src/shared/channel-requests.ts";
import { findChannel } from "../../src/server/store/channels.ts";
import { changesWorld, type ChangesWorld } from "../support/changes-world.ts";
import { until } from "../support/until.ts";

const DAY_MS = 24 * 3_600_000;
const A1 = "el9.x86_64 a-1-1.x86_64";
const A2 = "el9.x86_64 a-2-1.x86_64";

const create = (world: ChangesWorld, wish: Partial<CreateChannelRequest>) =>
  world.actions.create(createChannelRequest.parse(wish), "admin");
const patch = (world: ChangesWorld, name: string, wish: PatchChannelRequest) =>
  world.actions.patch(name, patchChannelRequest.parse(wish), "admin");

test("a channel of its own begins empty, with the settings given and defaults for the rest", async () => {
  await using world = await changesWorld();

  const made = await create(world, {
    name: "beta",
    expireDays: 2,
    settings: { retention: { keepVersions: 3 } },
  });

  expect(made).toEqual({ publishId: null });
  expect(await findChannel(world.store, "beta")).toMatchObject({
    head: 0,
    parent: null,
    expiresAt: world.store.now() + 2 * DAY_MS,
    settings: {
      compression: "gzip",
      retention: { keepVersions: 3, maxAgeDays: null, keepTagged: true },
    },
  });
});

test("a fork lists what its parent does, and both go their own ways afterwards", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);

  await create(world, { name: "mine", parent: "dev" });
  await until(() => world.listed("mine"), [A1]);
  await world.publish(["a-2-1.x86_64"]);

  expect(await world.listed("mine")).toEqual([A1]);
  expect(await findChannel(world.store, "mine")).toMatchObject({
    head: 1,
    parent: "dev",
    parentGeneration: 1,
    settings: { requires: "ignore", branchChannels: null },
  });
  expect(world.done.find(({ kind }) => kind === "restore")).toMatchObject({
    channel: { name: "mine", head: 0 },
    from: { channel: "dev", number: 1 },
  });
});

test("names that are taken, reserved or illegal make no channel, nor do forks of forks", async () => {
  await using world = await changesWorld();
  await create(world, { name: "mine", parent: "dev" });

  for (const [wish, status] of [
    [{ name: "mine" }, 409],
    [{ name: "keys" }, 400],
    [{ name: "pr-1" }, 400],
    [{ name: "x.repo" }, 400],
    [{ name: "deeper", parent: "mine" }, 409],
    [{ name: "other", parent: "nowhere" }, 404],
  ] as const) {
    expect(await create(world, wish), JSON.stringify(wish)).toMatchObject({
      kind: "refused",
      status,
    });
  }
  expect(createChannelRequest.safeParse({ name: "../x" }).success).toBe(false);
  expect(createChannelRequest.safeParse({ name: "x", colour: "red" }).success).toBe(false);
});

test("settings are changed one by one; what alters the files rewrites them", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);

  const plain = await patch(world, "dev", { settings: { retention: { keepVersions: 5 } } });
  await patch(world, "dev", { settings: { retention: { maxAgeDays: 9 } } });
  const heavy = await patch(world, "dev", { settings: { compression: "zstd" } });
  const same = await patch(world, "dev", { settings: { compression: "zstd" } });
  const empty = await patch(world, "stable", { settings: { compression: "zstd" } });

  expect([plain, same, empty]).toEqual([
    { publishId: null },
    { publishId: null },
    { publishId: null },
  ]);
  expect(heavy).toEqual({ publishId: expect.any(String) });
  await expect
    .poll(() => world.done.at(-1))
    .toMatchObject({
      kind: "edit",
      edits: [{ channel: { name: "dev" }, rewrite: true, add: [], remove: [] }],
    });
  expect((await findChannel(world.store, "dev"))?.settings).toMatchObject({
    compression: "zstd",
    requires: "ignore",
    retention: { keepVersions: 5, maxAgeDays: 9, keepTagged: true },
  });
  for (const wish of [
    { settings: { compression: "xz" } },
    { settings: { repos: ["not a pattern"] } },
    { settings: { colour: "red" } },
    { settings: { retention: { keepVersions: 0 } } },
  ]) {
    expect(patchChannelRequest.safeParse(wish).success, JSON.stringify(wish)).toBe(false);
  }
});

test("channels can be deleted, but not the first three and not one that has forks", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await create(world, { name: "beta" });
  await create(world, { name: "mine", parent: "beta" });

  expect(await world.actions.remove("dev")).toMatchObject({ kind: "refused", status: 409 });
  expect(await world.actions.remove("beta")).toMatchObject({
    kind: "refused",
    hint: "Delete mine first.",
  });
  expect(await world.actions.remove("mine")).toEqual({ deleted: "mine" });
  expect(await world.actions.remove("beta")).toEqual({ deleted: "beta" });
  expect(await world.actions.remove("beta")).toMatchObject({ kind: "refused", status: 404 });
});

test("a build that waits to publish to a channel that is deleted fails, and its commit shows it", async () => {
  await using world = await changesWorld();
  await create(world, { name: "beta" });
  world.hold();
  const buildId = await world.publish(["a-1-1.x86_64"], { channel: "beta" });

  await world.actions.remove("beta");

  const { db } = world.store;
  expect(
    await db.selectFrom("builds").select(["state", "reason"]).where("id", "=", buildId).execute(),
  ).toEqual([{ state: "failed", reason: "channel beta was deleted" }]);
  expect(world.announced.at(-1)).toMatchObject({ buildId, statusId: expect.any(String) });
});

test("generations and packages can be pinned and let go", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  const pin = (wish: object) => world.actions.pin("dev", pinRequest.parse(wish));

  expect(await pin({ generation: 1, note: "release day" })).toEqual({ isPinned: true });
  expect(await pin({ nevra: "a-1-1.x86_64" })).toEqual({ isPinned: true });
  expect(await pin({ nevra: "a-1-1.x86_64", isPinned: false })).toEqual({ isPinned: false });
  expect(await pin({ generation: 9 })).toMatchObject({ kind: "refused", status: 404 });
  expect(await pin({ nevra: "b-1-1.x86_64" })).toMatchObject({ kind: "refused", status: 404 });
  expect(
    await world.store.db.selectFrom("generations").select(["isPinned", "pinNote"]).execute(),
  ).toEqual([{ isPinned: 1, pinNote: "release day" }]);
});

test("an import and passed-through files are handed to the publish worker, broken files are not", async () => {
  await using world = await changesWorld();
  const wish = { target: "el9.x86_64", folder: "/srv/rpms" };

  await world.actions.import("dev", importRequest.parse(wish), "admin");
  const broken = await world.actions.setExtra(
    "dev",
    { target: "el9.x86_64", type: "group", text: "<comps><group></comps>" },
    "admin",
  );
  await world.actions.setExtra(
    "dev",
    { target: "el9.x86_64", type: "modules", text: "document: modulemd\nversion: 2\n" },
    "admin",
  );

  expect(broken).toMatchObject({ kind: "refused", status: 422 });
  await expect
    .poll(() => world.done)
    .toMatchObject([
      { kind: "import", channel: { name: "dev" }, ...wish, foreignSignatures: "refuse" },
      { kind: "edit", edits: [{ extras: [{ type: "modules", target: "el9.x86_64" }] }] },
    ]);
  expect(importRequest.safeParse({ ...wish, folder: "rpms" }).success).toBe(false);
});

test("names are transferred, and allowances given and taken back", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  const wish = { repo: "acme/other", rule: "provides", subject: "b" } as const;

  await world.actions.transfer("a", "acme/other");
  await world.actions.allow({ ...wish, isAllowed: true }, "admin");
  await world.actions.allow({ ...wish, isAllowed: true }, "admin");
  const given = await world.actions.allowances();
  await world.actions.allow({ ...wish, isAllowed: false }, "admin");

  expect(
    await world.store.db.selectFrom("packageNames").select(["name", "repo"]).execute(),
  ).toEqual([{ name: "a", repo: "acme/other" }]);
  expect(given).toMatchObject([{ ...wish, by: "admin" }]);
  expect(await world.actions.allowances("acme/other")).toEqual([]);
});

test("a build of another branch publishes to a fork of the channel, which lives as long as it is used", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["a-9-1.x86_64"], { ref: "refs/heads/next" });
  const before = await findChannel(world.store, "acme.hello.next");
  await world.settings("dev", { branchChannels: { expireDays: 3 } });

  await world.publish(["a-2-1.x86_64"], { ref: "refs/heads/next" });
  const firstExpiry = (await findChannel(world.store, "acme.hello.next"))?.expiresAt;
  world.advance(DAY_MS);
  await world.publish(["b-1-1.x86_64"], { ref: "refs/heads/next" });

  expect(before).toBeUndefined();
  expect(await world.listed("acme.hello.next")).toEqual([A1, A2, "el9.x86_64 b-1-1.x86_64"]);
  expect(await world.listed("dev")).toEqual([A1]);
  expect(await findChannel(world.store, "acme.hello.next")).toMatchObject({
    parent: "dev",
    expiresAt: (firstExpiry ?? 0) + DAY_MS,
    settings: { repos: ["acme/hello"], branchChannels: null },
  });
  expect(firstExpiry).toBe(world.store.now() - DAY_MS + 3 * DAY_MS);
});

test("what an admin says about the life of a branch's channel outlasts pushes", async () => {
  await using world = await changesWorld();
  await world.settings("dev", { branchChannels: { expireDays: 3 } });
  const push = (version: number) =>
    world.publish([`a-${version}-1.x86_64`], { ref: "refs/heads/next" });
  const name = "acme.hello.next";
  const expiry = async () => (await findChannel(world.store, name))?.expiresAt;
  await world.publish(["b-1-1.x86_64"]);
  await push(1);

  await world.actions.patch(name, patchChannelRequest.parse({ expireDays: 30 }), "admin");
  const longer = await expiry();
  await push(2);
  const afterPush = await expiry();
  await world.actions.patch(name, patchChannelRequest.parse({ expireDays: null }), "admin");
  await push(3);

  expect(afterPush).toBe(longer);
  expect(await expiry()).toBeNull();
});
