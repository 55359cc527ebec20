import { expect, test } from "vitest";
import { changeRequest } from "../../src/shared/channel-changes.ts";
import { changesWorld, type ChangesWorld } from "../support/changes-world.ts";
import { until } from "../support/until.ts";

const never = new AbortController().signal;
const plan = (world: ChangesWorld, wish: object) => world.changes.plan(changeRequest.parse(wish));
const apply = (world: ChangesWorld, wish: object) =>
  world.changes.apply(changeRequest.parse(wish), "admin", never);

const A1 = "el9.x86_64 a-1-1.x86_64";
const A2 = "el9.x86_64 a-2-1.x86_64";

test("undo brings back what the generation before listed, under a higher number, and can be undone", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["a-2-1.x86_64"]);

  const planned = await plan(world, { kind: "undo", channel: "dev" });
  const undone = await apply(world, { kind: "undo", channel: "dev" });
  const afterUndo = await world.listed("dev");
  await apply(world, { kind: "undo", channel: "dev" });

  expect(planned).toMatchObject({
    title: "dev: back to what generation 1 listed, as generation 3",
    channels: [{ name: "dev", head: 2 }],
    add: [],
    remove: [{ nevra: "a-2-1.x86_64", leaves: "a-1-1.x86_64" }],
    warnings: [
      "Hosts that have a-2-1.x86_64 from dev keep it until `dnf distro-sync` or `dnf downgrade a`.",
    ],
  });
  expect(undone).toMatchObject({ state: "live", generations: [{ channel: "dev", number: 3 }] });
  expect(afterUndo).toEqual([A1]);
  expect(await world.listed("dev")).toEqual([A1, A2]);
  expect(world.done.at(-1)).toMatchObject({ kind: "restore", from: { channel: "dev", number: 2 } });
});

test("undo goes back to any generation that is kept, and to no other", async () => {
  await using world = await changesWorld();
  for (const version of [1, 2, 3]) await world.publish([`a-${version}-1.x86_64`]);

  await apply(world, { kind: "undo", channel: "dev", to: 1 });

  expect(await world.listed("dev")).toEqual([A1]);
  expect(await apply(world, { kind: "undo", channel: "dev", to: 9 })).toMatchObject({
    kind: "refused",
    status: 404,
    error: "There is no generation 9 of dev.",
  });
  await world.store.db
    .updateTable("generations")
    .set({ sweptAt: 1 })
    .where("number", "=", 2)
    .execute();
  expect(await apply(world, { kind: "undo", channel: "dev", to: 2 })).toMatchObject({
    kind: "refused",
    status: 404,
    error: "No longer kept is generation 2 of dev.",
  });
  expect(await apply(world, { kind: "undo", channel: "stable" })).toMatchObject({
    kind: "refused",
    status: 409,
    error: "stable has no earlier generation.",
  });
});

test("an undo that says which generation is the newest takes back no other one", async () => {
  await using world = await changesWorld();
  for (const version of [1, 2]) await world.publish([`a-${version}-1.x86_64`]);
  const undo = { kind: "undo", channel: "dev", head: 2 };

  const first = await apply(world, undo);
  const again = await apply(world, undo);

  expect(first).toMatchObject({ state: "live" });
  expect(again).toMatchObject({
    kind: "refused",
    status: 409,
    error: "dev is at generation 3, no longer at 2.",
  });
  expect(await world.listed("dev")).toEqual([A1]);
});

test("undo to what is listed now changes nothing", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);

  expect(await apply(world, { kind: "undo", channel: "dev", to: 1 })).toMatchObject({
    publishId: null,
    state: "live",
    generations: [{ channel: "dev", number: 1 }],
  });
});

test("a yank hides a package in every channel and its forks, and leaves what was there before", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["a-2-1.x86_64"]);
  await apply(world, { kind: "promote", packages: ["a-2"], to: "stable" });
  await world.actions.create(
    { name: "mine", parent: "dev", expireDays: null, settings: {} },
    "admin",
  );
  await until(() => world.listed("mine"), [A1, A2]);

  const planned = await plan(world, { kind: "yank", packages: ["a-2-1"], note: "eats files" });
  const done = await apply(world, { kind: "yank", packages: ["a-2-1"], note: "eats files" });

  expect(planned).toMatchObject({
    title: "a-2-1.x86_64: gone from dev, mine, stable",
    remove: [
      { channel: "dev", nevra: "a-2-1.x86_64", leaves: "a-1-1.x86_64" },
      { channel: "mine", nevra: "a-2-1.x86_64", leaves: "a-1-1.x86_64" },
      { channel: "stable", nevra: "a-2-1.x86_64", leaves: null },
    ],
    confirm: "a",
  });
  expect(done).toMatchObject({ state: "live" });
  for (const [channel, rest] of [
    ["dev", [A1]],
    ["mine", [A1]],
    ["stable", []],
  ] as const) {
    expect(await world.listed(channel), channel).toEqual(rest);
  }
  expect(await yankOf(world, "a-2-1.x86_64")).toMatchObject({
    yankReason: "eats files",
    refusedAt: null,
  });
});

async function yankOf(world: ChangesWorld, nevra: string) {
  return await world.store.db
    .selectFrom("packages")
    .select(["yankedAt", "yankReason", "refusedAt"])
    .where("nevra", "=", nevra)
    .executeTakeFirstOrThrow();
}

test("refused downloads are refused at once, whether or not a publish worker is there", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  world.hold();

  const yank = apply(world, {
    kind: "yank",
    packages: ["a-1-1.x86_64"],
    refuseDownloads: true,
    note: "CVE",
  });
  await expect
    .poll(async () => (await yankOf(world, "a-1-1.x86_64")).refusedAt)
    .toBe(world.store.now());

  expect(await world.listed("dev")).toEqual([A1]);
  await world.release();
  await yank;
  expect(await world.listed("dev")).toEqual([]);
});

test("a package that no channel lists any more can still be refused, by its whole name", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await apply(world, { kind: "yank", packages: ["a"], channel: "dev" });

  const byName = await apply(world, { kind: "yank", packages: ["a"], refuseDownloads: true });
  const byNevra = await apply(world, {
    kind: "yank",
    packages: ["a-1-1.x86_64"],
    refuseDownloads: true,
  });

  expect(byName).toMatchObject({ kind: "refused", status: 404 });
  expect(byNevra).toMatchObject({ state: "live", publishId: null });
  expect((await yankOf(world, "a-1-1.x86_64")).refusedAt).not.toBeNull();
});

test("a yank of one channel reaches its forks, and leaves the package promotable", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await apply(world, { kind: "promote", packages: ["a"], to: "testing" });
  const fork = { name: "mine", parent: "dev", expireDays: null, settings: {} };
  await world.actions.create(fork, "admin");
  await until(() => world.listed("mine"), [A1]);

  await apply(world, { kind: "yank", packages: ["a"], channel: "dev" });
  const inFork = await world.listed("mine");
  const promoted = await apply(world, { kind: "promote", packages: ["a"], to: "stable" });

  expect(await world.listed("dev")).toEqual([]);
  expect(inFork).toEqual([]);
  expect(promoted).toMatchObject({ state: "live" });
  expect(await world.listed("stable")).toEqual([A1]);
  expect(
    await apply(world, { kind: "yank", packages: ["a"], channel: "dev", refuseDownloads: true }),
  ).toMatchObject({ kind: "refused", status: 400 });
});

test("undoing the yank itself brings the package back; undoing more leaves it out", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["b-1-1.x86_64"]);
  await apply(world, { kind: "yank", packages: ["a"], note: "by mistake" });
  const planned = await plan(world, { kind: "undo", channel: "dev" });
  await apply(world, { kind: "undo", channel: "dev" });

  expect(planned).toMatchObject({ warnings: ["a-1-1.x86_64: no longer yanked."] });
  expect(await world.listed("dev")).toContain(A1);
  expect((await yankOf(world, "a-1-1.x86_64")).yankedAt).toBeNull();

  await apply(world, { kind: "yank", packages: ["a"], note: "for good" });
  await world.publish(["c-1-1.x86_64"]);
  const further = { kind: "undo", channel: "dev", to: 2 };
  expect(await plan(world, further)).toMatchObject({
    warnings: expect.arrayContaining(["a-1-1.x86_64: yanked since, and stays away."]),
  });
  await apply(world, further);

  expect(await world.listed("dev")).toEqual(["el9.x86_64 b-1-1.x86_64"]);
});

test("what is refused never comes back, not even by undoing the yank", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["b-1-1.x86_64"]);
  await apply(world, { kind: "yank", packages: ["a"], refuseDownloads: true, note: "CVE" });

  const undone = await apply(world, { kind: "undo", channel: "dev" });

  expect(undone).toMatchObject({ publishId: null, state: "live" });
  expect(await world.listed("dev")).toEqual(["el9.x86_64 b-1-1.x86_64"]);
});

test("whoever stops waiting gets the change as far as it is", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  world.hold();

  const gone = AbortSignal.abort();
  const wish = changeRequest.parse({ kind: "promote", packages: ["a"], to: "stable" });
  const begun = await world.changes.apply(wish, "admin", gone);
  await world.release();

  expect(begun).toMatchObject({ state: "queued", generations: [] });
  const { publishId } = begun as { readonly publishId: string };
  expect(await world.changes.find(publishId)).toMatchObject({ state: "live", publishId });
  expect(await world.changes.find("p-none")).toBeUndefined();
});
