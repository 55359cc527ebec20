import { expect, test } from "vitest";
import { channelSettings } from "../../src/shared/channel-settings.ts";
import {
  deleteChannel,
  insertChannel,
  pinGeneration,
  pinPackage,
  requestChange,
  retentionCandidates,
  sweepPlan,
} from "../../src/server/store/changes.ts";
import { donePublish } from "../../src/server/store/publishes.ts";
import { isBeingSwept } from "../../src/server/store/running-sweep.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aStore } from "../support/a-store.ts";
import { aPackage, change, claim, publish, TARGET } from "../support/store-rig.ts";

const DAY_MS = 24 * 3_600_000;

const candidates = async (store: Store, retention: object) =>
  (
    await retentionCandidates(
      store,
      "dev",
      { retention: channelSettings.parse({ retention }).retention },
      store.now(),
    )
  ).map(({ nevra }) => nevra);

const removeFrom = (channel: string, nevras: readonly string[]) =>
  ({
    kind: "edit",
    channels: [channel],
    by: "retention",
    note: "",
    request: {
      edits: [
        {
          channel,
          add: [],
          remove: nevras.map((nevra) => ({ target: TARGET, nevra })),
          advisories: [],
          extras: [],
          rewrite: false,
        },
      ],
      yank: null,
    },
  }) as const;

test("without rules nothing goes", async () => {
  await using held = await aStore();
  await publish(held.store, [aPackage()]);

  expect(await candidates(held.store, {})).toEqual([]);
});

test("the newest few of each name and architecture stay, by rpm's order", async () => {
  await using held = await aStore();
  const { store } = held;
  const versions = ["8", "9", "10", "11"].map((version) => aPackage({ version }));
  await publish(store, [...versions, aPackage({ name: "b" }), aPackage({ arch: "x86_64" })]);

  expect(await candidates(store, { keepVersions: 2 })).toEqual(["a-8-1.noarch", "a-9-1.noarch"]);
});

test("what is old goes, but never the newest of its name", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage(), aPackage({ name: "b" })]);
  held.advance(10 * DAY_MS);
  await publish(store, [aPackage({ version: "2" })]);

  expect(await candidates(store, { maxAgeDays: 5 })).toEqual(["a-1-1.noarch"]);
  expect(await candidates(store, { maxAgeDays: 15 })).toEqual([]);
});

test("pinned packages and those of a tag stay", async () => {
  await using held = await aStore();
  const { store } = held;
  for (const version of ["1", "2", "3"]) await publish(store, [aPackage({ version })]);
  const { buildId } = await publish(store, [aPackage({ version: "4" })]);
  await publish(store, [aPackage({ version: "5" })]);
  await store.db
    .updateTable("builds")
    .set({ ref: "refs/tags/v4" })
    .where("id", "=", buildId)
    .execute();
  await store.write((tx) => pinPackage(tx, "a-2-1.noarch", true));

  const keep = { keepVersions: 1 };
  expect(await candidates(store, keep)).toEqual(["a-1-1.noarch", "a-3-1.noarch"]);
  expect(await candidates(store, { ...keep, keepTagged: false })).toContain("a-4-1.noarch");
});

test("generations and bytes stay for the grace after they were replaced, heads and pins for ever", async () => {
  await using held = await aStore();
  const { store } = held;
  for (const version of ["1", "2", "3"]) {
    await publish(store, [aPackage({ version })]);
    held.advance(DAY_MS);
  }
  await store.write((tx) =>
    pinGeneration(tx, { channel: "dev", number: 2 }, { isPinned: true, note: null }),
  );
  await change(store, removeFrom("dev", ["a-1-1.noarch", "a-2-1.noarch", "a-3-1.noarch"]), {});

  const young = await sweepPlan(store, store.now() + 4 * DAY_MS);
  const old = await sweepPlan(store, store.now() + 8 * DAY_MS);

  expect(young.graceMs).toBe(7 * DAY_MS);
  expect(young.keep).toEqual([{ channel: "dev", numbers: [1, 2, 3, 4] }]);
  expect(young.dropPackages).toEqual([]);
  // Generation 2 lists the first two packages.
  expect(old.keep).toEqual([{ channel: "dev", numbers: [2, 4] }]);
  expect(old.dropPackages).toEqual([
    { sha256: aPackage({ version: "3" }).signedSha256, fileName: "a-3-1.noarch.rpm" },
  ]);
});

test("a generation stays while a kept one names it as the last that changed a target", async () => {
  await using held = await aStore();
  const { store } = held;
  for (const version of ["1", "2", "3"]) await publish(store, [aPackage({ version })]);
  const targetsJson = JSON.stringify({ [TARGET]: 3, "el9.x86_64": 1 });
  await store.db.updateTable("generations").set({ targetsJson }).where("number", "=", 3).execute();

  const { keep } = await sweepPlan(store, store.now() + 30 * DAY_MS);

  expect(keep).toEqual([{ channel: "dev", numbers: [1, 3] }]);
});

test("what a fork inherits stays while the fork does", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await store.write((tx) =>
    insertChannel(tx, { name: "topic", parent: { name: "dev", number: 1 } }),
  );
  await change(store, removeFrom("dev", ["a-1-1.noarch"]), {});
  const dropped = async (days: number) =>
    (await sweepPlan(store, store.now() + days * DAY_MS)).dropPackages.length;

  expect(await dropped(30)).toBe(0);
  await store.write((tx) => deleteChannel(tx, "topic"));
  expect(await dropped(30)).toBe(1);
});

test("what a deleted fork had inherited keeps its bytes for the grace as well", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await store.write((tx) =>
    insertChannel(tx, { name: "topic", parent: { name: "dev", number: 1 } }),
  );
  const from = { channel: "dev", number: 1 };
  await change(store, {
    kind: "restore",
    channels: ["topic"],
    by: "admin",
    note: "",
    request: { channel: "topic", from },
  });
  await change(store, removeFrom("dev", ["a-1-1.noarch"]), {});
  held.advance(30 * DAY_MS);
  await store.write((tx) => deleteChannel(tx, "topic"));
  const dropped = async (days: number) =>
    (await sweepPlan(store, store.now() + days * DAY_MS)).dropPackages.length;

  expect(await dropped(6)).toBe(0);
  expect(await dropped(8)).toBe(1);
});

test("what a deleted channel listed keeps its bytes for the grace", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  held.advance(30 * DAY_MS);
  await store.write((tx) => deleteChannel(tx, "dev"));
  const dropped = async (days: number) =>
    (await sweepPlan(store, store.now() + days * DAY_MS)).dropPackages.length;

  expect(await dropped(6)).toBe(0);
  expect(await dropped(8)).toBe(1);
});

test("a sweep that is done marks what is gone; a dry run marks nothing", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await publish(store, [aPackage({ version: "2" })]);
  await change(store, removeFrom("dev", ["a-1-1.noarch"]), {});
  held.advance(30 * DAY_MS);
  const sweep = async (dryRun: boolean) => {
    const request = { dryRun, plan: null };
    const wish = { kind: "sweep", channels: [], by: "retention", note: "", request } as const;
    const id = await store.write((tx) => requestChange(tx, wish));
    const token = `sweep-${String(dryRun)}`;
    await claim(store, token);
    await publish(store, [aPackage({ version: dryRun ? "3" : "4" })]);
    await store.write((tx) => donePublish(tx, id, token, { durationMs: 1, report: ["done"] }));
    const packages = await store.db
      .selectFrom("packages")
      .select("nevra")
      .where("sweptAt", "is not", null)
      .execute();
    const generations = await store.db
      .selectFrom("generations")
      .select("number")
      .where("sweptAt", "is not", null)
      .execute();
    return [packages.map(({ nevra }) => nevra), generations.map(({ number }) => number)];
  };

  expect(await sweep(true)).toEqual([[], []]);
  // Generation 5 came while the sweep ran, and was not in question.
  expect(await sweep(false)).toEqual([["a-1-1.noarch"], [1, 2]]);
  expect((await sweepPlan(store, store.now())).keep).toEqual([
    { channel: "dev", numbers: [3, 4, 5] },
  ]);
});

test("a sweep deletes what is unused when it is granted, whatever was when it was asked for", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await publish(store, [aPackage({ version: "2" })]);
  await change(store, removeFrom("dev", ["a-1-1.noarch", "a-2-1.noarch"]), {});
  held.advance(30 * DAY_MS);
  const asked = { channels: [], by: "sweep", note: "" };
  await store.write((tx) =>
    requestChange(tx, { ...asked, kind: "sweep", request: { dryRun: false, plan: null } }),
  );
  await store.write((tx) => pinPackage(tx, "a-2-1.noarch", true));
  await store.write((tx) =>
    pinGeneration(tx, { channel: "dev", number: 2 }, { isPinned: true, note: null }),
  );

  expect(await claim(store, "sweep")).toMatchObject({
    keep: [{ channel: "dev", numbers: [2, 3] }],
    dropPackages: [],
  });
});

test("what is listed again while a sweep runs is not said to be deleted", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await change(store, removeFrom("dev", ["a-1-1.noarch"]), {});
  held.advance(30 * DAY_MS);
  const asked = { channels: [], by: "sweep", note: "" };
  const id = await store.write((tx) =>
    requestChange(tx, { ...asked, kind: "sweep", request: { dryRun: false, plan: null } }),
  );
  await claim(store, "sweep");
  // The worker holds what a publish under way lists, so the sweep leaves its bytes.
  await publish(store, [aPackage()]);
  await store.write((tx) => donePublish(tx, id, "sweep", { durationMs: 1, report: [] }));

  const [row] = await store.db.selectFrom("packages").select("sweptAt").execute();
  expect(row).toEqual({ sweptAt: null });
});

test("a sweep keeps the generation that an undo waits for, with its packages", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await change(store, removeFrom("dev", ["a-1-1.noarch"]), {});
  held.advance(30 * DAY_MS);
  const asked = { channels: ["dev"], by: "admin", note: "" };
  const request = { channel: "dev", from: { channel: "dev", number: 1 } };
  await store.write((tx) => requestChange(tx, { ...asked, kind: "restore", request }));

  const { keep, dropPackages } = await sweepPlan(store, store.now());

  expect(keep).toEqual([{ channel: "dev", numbers: [1, 2] }]);
  expect(dropPackages).toEqual([]);
});

test("what a running sweep deletes can no longer be pinned", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await change(store, removeFrom("dev", ["a-1-1.noarch"]), {});
  held.advance(30 * DAY_MS);
  const asked = { channels: [], by: "sweep", note: "" };
  await store.write((tx) =>
    requestChange(tx, { ...asked, kind: "sweep", request: { dryRun: false, plan: null } }),
  );
  const pins = async () => [
    await isBeingSwept(store, { nevra: "a-1-1.noarch" }),
    await isBeingSwept(store, { channel: "dev", number: 1 }),
    await isBeingSwept(store, { channel: "dev", number: 2 }),
  ];

  expect(await pins()).toEqual([false, false, false]);
  await claim(store, "sweep");
  expect(await pins()).toEqual([true, true, false]);
});
