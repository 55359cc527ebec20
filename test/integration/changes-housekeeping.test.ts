import { expect, test } from "vitest";
import { changeRequest } from "../../src/shared/channel-changes.ts";
import { pinRequest } from "../../src/shared/channel-requests.ts";
import { channelNames } from "../../src/server/store/channels.ts";
import { changesWorld } from "../support/changes-world.ts";
import { until } from "../support/until.ts";

const DAY_MS = 24 * 3_600_000;
const never = new AbortController().signal;
const RETAIN = changeRequest.parse({ kind: "retain", channel: "dev" });

test("retention keeps the newest of each name whatever its age, and tells first what would go", async () => {
  await using world = await changesWorld();
  for (const version of [1, 2, 3])
    await world.publish([`a-${version}-1.x86_64`, `b-${version}-1.i686`]);
  await world.publish(["c-1-1.x86_64"]);
  await world.settings("dev", {
    retention: { keepVersions: 2, maxAgeDays: null, keepTagged: true },
  });

  const planned = await world.changes.plan(RETAIN);
  const before = await world.listed("dev");
  const first = await world.changes.apply(RETAIN, "admin", never);
  await world.settings("dev", {
    retention: { keepVersions: null, maxAgeDays: 10, keepTagged: true },
  });
  world.advance(11 * DAY_MS);
  await world.changes.apply(RETAIN, "admin", never);

  expect(planned).toMatchObject({
    title: "dev: 2 listed packages go",
    remove: [
      { nevra: "a-1-1.x86_64", leaves: "a-3-1.x86_64" },
      { nevra: "b-1-1.i686", leaves: "b-3-1.i686" },
    ],
  });
  expect(before).toHaveLength(7);
  expect(first).toMatchObject({ state: "live" });
  expect(await world.listed("dev")).toEqual([
    "el9.x86_64 a-3-1.x86_64",
    "el9.x86_64 b-3-1.i686",
    "el9.x86_64 c-1-1.x86_64",
  ]);
});

test("what is pinned stays, and so does what was built from a tagged commit if that is wished", async () => {
  await using world = await changesWorld();
  const sha = "c".repeat(40);
  await world.publish(["a-1-1.x86_64"], { sha });
  await world.publish([], { sha, ref: "refs/tags/v1" });
  for (const version of [2, 3, 4]) await world.publish([`a-${version}-1.x86_64`]);
  await world.actions.pin("dev", pinRequest.parse({ nevra: "a-2-1.x86_64" }));
  const keep = { keepVersions: 1, maxAgeDays: null };

  await world.settings("dev", { retention: { ...keep, keepTagged: true } });
  await world.changes.apply(RETAIN, "admin", never);
  const tagged = await world.listed("dev");
  await world.settings("dev", { retention: { ...keep, keepTagged: false } });
  await world.changes.apply(RETAIN, "admin", never);

  expect(tagged).toEqual([
    "el9.x86_64 a-1-1.x86_64",
    "el9.x86_64 a-2-1.x86_64",
    "el9.x86_64 a-4-1.x86_64",
  ]);
  expect(await world.listed("dev")).toEqual(["el9.x86_64 a-2-1.x86_64", "el9.x86_64 a-4-1.x86_64"]);
});

test("a channel without rules keeps everything", async () => {
  await using world = await changesWorld();
  for (const version of [1, 2]) await world.publish([`a-${version}-1.x86_64`]);

  expect(await world.changes.plan(RETAIN)).toMatchObject({
    title: "dev keeps everything",
    remove: [],
  });
  expect(await world.changes.apply(RETAIN, "admin", never)).toMatchObject({ publishId: null });
});

test("once a day channels are retained and swept, each waiting at most once", async () => {
  await using world = await changesWorld();
  for (const version of [1, 2]) await world.publish([`a-${version}-1.x86_64`]);
  await world.settings("dev", {
    retention: { keepVersions: 1, maxAgeDays: null, keepTagged: true },
  });
  const builds = world.done.length;

  for (let again = 0; again < 2; again += 1) {
    await world.housekeeping.tidy();
    await world.release();
  }
  const first = world.done.slice(builds);
  await world.publish(["a-3-1.x86_64"]);
  world.hold();
  for (let day = 0; day < 2; day += 1) {
    world.advance(DAY_MS);
    await world.housekeeping.tidy();
  }
  await world.release();

  expect(first).toHaveLength(2);
  expect(first).toMatchObject([
    { kind: "edit", edits: [{ remove: [{ nevra: "a-1-1.x86_64" }] }] },
    { kind: "sweep", dryRun: false },
  ]);
  expect(world.done.slice(builds + 3)).toMatchObject([
    { kind: "edit", edits: [{ remove: [{ nevra: "a-2-1.x86_64" }] }] },
    { kind: "sweep", dryRun: false },
  ]);
  expect(await world.listed("dev")).toEqual(["el9.x86_64 a-3-1.x86_64"]);
});

test("a sweep keeps heads, pins and the grace period; a dry run is one for the worker too", async () => {
  await using world = await changesWorld();
  for (const version of [1, 2, 3]) await world.publish([`a-${version}-1.x86_64`]);
  await world.changes.apply(
    changeRequest.parse({ kind: "yank", packages: ["a-1", "a-2"], channel: "dev" }),
    "admin",
    never,
  );
  await world.actions.pin("dev", pinRequest.parse({ generation: 1 }));

  await world.housekeeping.sweep({ by: "admin", dryRun: true });
  await world.release();
  world.advance(8 * DAY_MS);
  await world.housekeeping.sweep({ by: "admin", dryRun: true });

  await until(() => world.done.filter(({ kind }) => kind === "sweep").length, 2);
  const [fresh, old] = world.done.filter(({ kind }) => kind === "sweep");
  expect(fresh).toMatchObject({ dryRun: true, dropPackages: [] });
  // The pinned generation lists the first; the one before the head went out of use long ago.
  expect(old).toMatchObject({
    dryRun: true,
    keep: [{ channel: "dev", numbers: [1, 4] }],
    dropPackages: [{ fileName: "a-2-1.x86_64.rpm" }],
  });
});

test("channels whose time is over are deleted, but never the first three", async () => {
  await using world = await changesWorld();
  await world.publish(["a-1-1.x86_64"]);
  await world.settings("dev", { branchChannels: { expireDays: 1 } });
  await world.publish(["a-2-1.x86_64"], { ref: "refs/heads/next" });
  await world.store.db
    .updateTable("channels")
    .set({ expiresAt: 1 })
    .where("name", "=", "dev")
    .execute();

  await world.housekeeping.tidy();
  const before = await channelNames(world.store);
  world.advance(DAY_MS + 1);
  await world.housekeeping.tidy();

  expect(before).toEqual(["acme.hello.next", "dev", "stable", "testing"]);
  expect(await channelNames(world.store)).toEqual(["dev", "stable", "testing"]);
});
