import { expect, test } from "vitest";
import type { Nevra } from "../../src/domain/nevra.ts";
import { channelSettings } from "../../src/shared/channel-settings.ts";
import type { PublishCheckRequest } from "../../src/shared/publish-messages.ts";
import {
  allow,
  allowances,
  disallow,
  insertChannel,
  markYanked,
  transferName,
} from "../../src/server/store/changes.ts";
import { checkPublish } from "../../src/server/store/publish-checks.ts";
import { leasedPublish } from "../../src/server/store/publishes.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { aPackage, aRunningPublish, publish, switchTo, TARGET } from "../support/store-rig.ts";

type Asked = PublishCheckRequest["packages"][number];

function asked(some: Partial<Nevra> = {}, more: Partial<Asked> = {}): Asked {
  const { nevra, unsignedSha256 } = aPackage(some);
  const none = { provides: [], obsoletes: [], conflicts: [] };
  return { nevra, unsignedSha256, target: TARGET, ...none, ...more };
}

let tokens = 0;

async function check(store: Store, packages: readonly Asked[], repo = "acme/hello") {
  const token = `c-${(tokens += 1)}`;
  const { publishId } = await aRunningPublish(store, token, aPush({ repo }));
  const row = await leasedPublish(store, publishId, token);
  if (row === undefined) throw new Error("The publish does not run.");
  return await checkPublish(store, row, { packages: [...packages] });
}

const codes = async (...parameters: Parameters<typeof check>) =>
  (await check(...parameters)).refusals.map(({ code }) => code);

test("a NEVRA is the same with the same content, taken with another", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);

  const answer = await check(store, [
    asked(),
    asked({}, { unsignedSha256: "9".repeat(64) }),
    asked({ version: "2" }),
  ]);

  expect(answer.packages.map(({ verdict }) => verdict)).toEqual(["same", "taken", "new"]);
  expect(answer.packages[0]?.signedSha256).toBe(aPackage().signedSha256);
  expect(answer.packages[1]?.takenBy).toBe("acme/hello #1");
});

test("the first repo to publish a name owns it, until it is allowed to another or transferred", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  const wish = { repo: "other/repo", rule: "name", subject: "a", by: "admin" } as const;
  const theirs = () => codes(store, [asked({ version: "2" })], "other/repo");

  expect(await theirs()).toEqual(["PACKAGE_NAME_TAKEN"]);
  const id = await store.write((tx) => allow(tx, wish));
  expect(await store.write((tx) => allow(tx, wish))).toBe(id);
  expect(await theirs()).toEqual([]);
  expect(await store.write((tx) => disallow(tx, id))).toBe(true);
  expect(await allowances(store)).toEqual([]);
  expect(await theirs()).toEqual(["PACKAGE_NAME_TAKEN"]);
  await store.write((tx) => transferName(tx, "a", "other/repo"));
  expect(await theirs()).toEqual([]);
  expect(await codes(store, [asked({ version: "2" })])).toEqual(["PACKAGE_NAME_TAKEN"]);
});

test("what a package provides and obsoletes is looked up like its name", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  const mine = asked({ name: "mine" }, { provides: ["a"], obsoletes: ["a", "mine-old"] });

  expect(await codes(store, [mine], "other/repo")).toEqual([
    "PROVIDES_FOREIGN",
    "OBSOLETES_FOREIGN",
  ]);
  expect(await codes(store, [mine])).toEqual([]);
});

test("versions go up within a channel, its target and an architecture", async () => {
  await using held = await aStore();
  const { store } = held;
  const two = aPackage({ version: "2", arch: "x86_64" });
  await publish(store, [
    two,
    aPackage({ version: "10", arch: "aarch64", targets: ["el9.aarch64"] }),
  ]);
  await publish(store, [aPackage({ version: "9", arch: "src", targets: [`${TARGET}-source`] })]);

  const old = asked({ version: "1", arch: "x86_64" });
  expect(await codes(store, [asked({ version: "3", arch: "x86_64" })])).toEqual([]);
  expect(await codes(store, [old])).toEqual(["VERSION_LOWER"]);
  // A source package is listed beside the target that it was built for.
  expect(await codes(store, [asked({ version: "8", arch: "src" })])).toEqual(["VERSION_LOWER"]);
  expect(await codes(store, [{ ...old, target: "el9.aarch64" }])).toEqual([]);
  expect(await codes(store, [asked({ epoch: 1, arch: "x86_64" })])).toEqual(["EPOCH_JUMP"]);
});

test("a build that a newer push overtook is told so, and not refused", async () => {
  await using held = await aStore();
  const { store } = held;
  const slow = await aRunningPublish(store, "slow");
  await publish(store, [aPackage({ version: "2" })]);
  const row = await leasedPublish(store, slow.publishId, "slow");
  if (row === undefined) throw new Error("The publish does not run.");

  const answer = await checkPublish(store, row, { packages: [asked()] });

  expect(answer.refusals).toEqual([]);
  expect(answer.warnings).toMatchObject([expect.stringMatching(/newer push, was faster/)]);
});

test("nor is a rerun of one refused, though its number is the highest", async () => {
  await using held = await aStore();
  const { store } = held;
  const slow = await aRunningPublish(store, "slow");
  await publish(store, [aPackage({ version: "2" })]);
  const again = await aRunningPublish(store, "again");
  const [first, second] = await Promise.all(
    [slow, again].map(({ publishId }, i) =>
      leasedPublish(store, publishId, i === 0 ? "slow" : "again"),
    ),
  );
  if (first === undefined || second === undefined) throw new Error("They do not run.");
  const check = async () => (await checkPublish(store, second, { packages: [asked()] })).refusals;

  expect(await check()).toMatchObject([{ code: "VERSION_LOWER" }]);
  await store.write(async (tx) => {
    const builds = tx.db.updateTable("builds").set({ rerunOf: first.buildId });
    await builds.where("id", "=", second.buildId ?? "").execute();
  });
  expect(await check()).toEqual([]);
});

test("what was yanked is refused again, however it comes", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  const yank = { reason: "eats data", refuse: false };
  await store.write((tx) => markYanked(tx, ["a-1-1.noarch"], yank));

  expect((await check(store, [asked()])).refusals).toMatchObject([
    { code: "NEVRA_TAKEN", message: "a-1-1.noarch was yanked: eats data." },
  ]);
});

test("a package whose bytes were swept away is signed anew, and only with the same content", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await store.db.updateTable("packages").set({ sweptAt: 1 }).execute();

  const answer = await check(store, [asked(), asked({}, { unsignedSha256: "9".repeat(64) })]);
  expect(answer.packages.map(({ verdict }) => verdict)).toEqual(["new", "taken"]);
  const again = await aRunningPublish(store, "again");
  const signedAnew = { ...aPackage(), signedSha256: "7".repeat(64) };
  await switchTo(store, { ...again, base: 1, packages: [signedAnew] });

  expect(
    await store.db.selectFrom("packages").select(["signedSha256", "sweptAt"]).execute(),
  ).toEqual([{ signedSha256: "7".repeat(64), sweptAt: null }]);
});

test("a channel says which repos may publish to it", async () => {
  await using held = await aStore();
  const { store } = held;
  await store.write(async (tx) => {
    const settingsJson = JSON.stringify(channelSettings.parse({ repos: ["other/*"] }));
    await tx.db.updateTable("channels").set({ settingsJson }).where("name", "=", "dev").execute();
  });

  expect(await codes(store, [asked()])).toEqual(["CHANNEL_FORBIDDEN"]);
  expect(await codes(store, [asked()], "other/repo")).toEqual([]);
});

test("a child channel knows the versions that it began with", async () => {
  await using held = await aStore();
  const { store } = held;
  const { number } = await publish(store, [aPackage({ version: "2" })]);
  await store.write((tx) => insertChannel(tx, { name: "topic", parent: { name: "dev", number } }));
  await store.db.updateTable("channels").set({ head: 1 }).where("name", "=", "topic").execute();
  const { publishId } = await aRunningPublish(store, "t-1");
  await store.db.updateTable("publishes").set({ channelsJson: '["topic"]' }).execute();
  const row = await leasedPublish(store, publishId, "t-1");
  if (row === undefined) throw new Error("The publish does not run.");

  const answer = await checkPublish(store, row, { packages: [asked()] });

  expect(answer.refusals.map(({ code }) => code)).toEqual(["VERSION_LOWER"]);
});
