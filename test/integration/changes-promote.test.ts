import { expect, test } from "vitest";
import type { ChangePlan, ChangeRequest, ChangeResult } from "../../src/shared/channel-changes.ts";
import { changeRequest } from "../../src/shared/channel-changes.ts";
import type { Refused } from "../../src/server/changes/refused.ts";
import { insertChannel } from "../../src/server/store/channels.ts";
import { changesWorld, type ChangesWorld } from "../support/changes-world.ts";

const never = new AbortController().signal;
const ask = (wish: object): ChangeRequest => changeRequest.parse(wish);
const plan = (world: ChangesWorld, wish: object): Promise<ChangePlan | Refused> =>
  world.changes.plan(ask(wish));
const apply = (world: ChangesWorld, wish: object): Promise<ChangeResult | Refused> =>
  world.changes.apply(ask(wish), "admin", never);

const HELLO = "hello-1.0-1.el9.x86_64";
const BUILD = [
  HELLO,
  "hello-libs-1.0-1.el9.x86_64",
  "hello-1.0-1.el9.src",
  "hello-debuginfo-1.0-1.el9.x86_64",
];

test("a package named in any way is promoted with its source and debug packages, and the plan changed nothing", async () => {
  await using world = await changesWorld();
  await world.publish(BUILD);

  for (const wish of [HELLO, "hello-1.0-1", "hello-1.0", "hello"]) {
    expect(await plan(world, { kind: "promote", packages: [wish], to: "testing" })).toMatchObject({
      channels: [{ name: "testing", head: 0 }],
      add: expect.arrayContaining([
        { channel: "testing", target: "el9.x86_64", nevra: HELLO, replaces: null, leaves: HELLO },
      ]),
      remove: [],
      problems: [],
      confirm: null,
    });
  }
  expect(await world.listed("testing")).toEqual([]);
  const result = await apply(world, { kind: "promote", packages: ["hello"], to: "testing" });

  expect(result).toMatchObject({
    state: "live",
    generations: [{ channel: "testing", number: 1 }],
    durationMs: 1,
  });
  expect(await world.listed("testing")).toEqual([
    "el9.x86_64 hello-1.0-1.el9.x86_64",
    "el9.x86_64-debug hello-debuginfo-1.0-1.el9.x86_64",
    "el9.x86_64-source hello-1.0-1.el9.src",
  ]);
});

test("what builds have in channels of their own is not meant, unless it is said", async () => {
  await using world = await changesWorld();
  await world.publish(["hello-1.0-1.el9.x86_64"]);
  // Of a build that is being verified, or failed at that, or was of a branch that goes nowhere.
  await world.store.write((tx) => insertChannel(tx, { name: "build-b-9" }));
  await world.publish(["hello-1.1-1.el9.x86_64"], { channel: "build-b-9" });
  await world.publish(["world-1.0-1.el9.x86_64"], { channel: "build-b-9" });

  expect(await plan(world, { kind: "promote", packages: ["hello"], to: "testing" })).toMatchObject({
    add: [{ nevra: "hello-1.0-1.el9.x86_64" }],
  });
  expect(await plan(world, { kind: "promote", packages: ["world"], to: "testing" })).toMatchObject({
    status: 404,
  });
  const said = { kind: "promote", packages: ["world"], from: "build-b-9", to: "testing" };
  expect(await plan(world, said)).toMatchObject({ add: [{ nevra: "world-1.0-1.el9.x86_64" }] });
});

test("promoting what is there already changes nothing and answers live", async () => {
  await using world = await changesWorld();
  await world.publish(BUILD);
  const wish = { kind: "promote", packages: ["hello"], to: "testing" };
  await apply(world, wish);

  const again = await apply(world, wish);

  expect(again).toMatchObject({
    publishId: null,
    state: "live",
    generations: [{ channel: "testing", number: 1 }],
    report: ["testing lists hello-1.0-1.el9.x86_64 already"],
  });
  expect(world.done.filter(({ kind }) => kind === "edit")).toHaveLength(1);
});

test("a build is promoted whole, over all targets, and stable asks for the name", async () => {
  await using world = await changesWorld();
  const buildId = await world.publish(BUILD);
  const { number } = await world.store.db
    .selectFrom("builds")
    .select("number")
    .where("id", "=", buildId)
    .executeTakeFirstOrThrow();
  const wish = { kind: "promote", build: `acme/hello#${number}`, to: "stable" };

  const planned = await plan(world, wish);
  await apply(world, wish);

  expect(planned).toMatchObject({ title: "2 packages: dev → stable", confirm: "stable" });
  expect(await world.listed("stable")).toEqual(await world.listed("dev"));
  expect(
    await plan(world, { kind: "promote", build: "acme/hello#77", to: "stable" }),
  ).toMatchObject({
    kind: "refused",
    status: 404,
  });
});

test("`all` brings the newest of each name that the other channel lacks", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["a-2-1.x86_64", "b-1-1.x86_64"]);

  await apply(world, { kind: "promote", all: true, from: "dev", to: "testing" });

  expect(await world.listed("testing")).toEqual([
    "el9.x86_64 a-2-1.x86_64",
    "el9.x86_64 b-1-1.x86_64",
  ]);
});

test("where a package comes from need not be said while it means one thing", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await apply(world, { kind: "promote", packages: ["a"], to: "testing" });

  const same = await plan(world, { kind: "promote", packages: ["a"], to: "stable" });
  await world.publish(["a-2-1.x86_64"]);
  const other = await plan(world, { kind: "promote", packages: ["a"], to: "stable" });
  const named = await plan(world, {
    kind: "promote",
    packages: ["a"],
    from: "testing",
    to: "stable",
  });

  expect(same).toMatchObject({ title: "a-1-1.x86_64: testing → stable" });
  expect(other).toMatchObject({
    kind: "refused",
    status: 409,
    error: "That means something else in each of dev (a-2-1.x86_64) and testing (a-1-1.x86_64).",
  });
  expect(named).toMatchObject({ add: [{ nevra: "a-1-1.x86_64" }] });
});

test("what is older than the channel's newest is promoted with a warning", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.publish(["a-2-1.x86_64"]);
  await apply(world, { kind: "promote", packages: ["a-2"], to: "stable" });

  expect(await plan(world, { kind: "promote", packages: ["a-1"], to: "stable" })).toMatchObject({
    add: [{ nevra: "a-1-1.x86_64", replaces: null, leaves: "a-2-1.x86_64" }],
    warnings: [
      "a-1-1.x86_64 is older than a-2-1.x86_64 in stable: hosts will not move to it by themselves.",
    ],
    confirm: "a",
  });
});

test("requests that mean nothing are refused with a way out", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);

  for (const [wish, status, error] of [
    [{ packages: ["b"], to: "stable" }, 404, "No channel lists b."],
    [{ packages: ["a-7"], from: "dev", to: "stable" }, 404, "dev does not list a-7."],
    [{ packages: ["a"], to: "nowhere" }, 404, 'There is no channel "nowhere".'],
    [{ packages: ["a"], from: "nowhere", to: "dev" }, 404, 'There is no channel "nowhere".'],
    [{ packages: ["a"], from: "dev", to: "dev" }, 400, "dev cannot be promoted to itself."],
    [{ to: "stable" }, 400, "Say what to promote."],
    [{ all: true, to: "stable" }, 400, "All of which channel?"],
  ] as const) {
    const refused = await apply(world, { kind: "promote", ...wish });

    expect(refused).toMatchObject({ kind: "refused", status, error });
    expect((refused as Refused).hint).not.toBe("");
  }
});

test("a yanked package is never promoted", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  world.hold();
  const yank = apply(world, { kind: "yank", packages: ["a"], note: "broken" });

  await expect
    .poll(() => plan(world, { kind: "promote", packages: ["a"], to: "stable" }))
    .toMatchObject({ kind: "refused", status: 409, error: "a-1-1.x86_64 is yanked." });

  await world.release();
  await yank;
});
