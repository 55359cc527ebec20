import { expect, test } from "vitest";
import { updateSettings } from "../../src/server/store/channels.ts";
import { openServed } from "../../src/server/store/served.ts";
import { markYanked, unmarkYanked } from "../../src/server/store/packages.ts";
import type { Tx } from "../../src/server/store/store.ts";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import { aStore } from "../support/a-store.ts";

/** As a switch does it: a generation, and the pointer to it, in one transaction. */
async function moveTo(tx: Tx, number: number, targets: Record<string, number>): Promise<void> {
  await tx.db
    .insertInto("generations")
    .values({
      channel: "dev",
      number,
      base: number - 1,
      createdAt: tx.now(),
      targetsJson: JSON.stringify(targets),
      countsJson: "{}",
      isPinned: 0,
      pinNote: null,
      sweptAt: null,
    })
    .execute();
  await tx.db.updateTable("channels").set({ head: number }).where("name", "=", "dev").execute();
  tx.channelsChanged();
}

test("what is served follows each commit at once, and is read from the database once", async () => {
  await using made = await aStore();
  const { store } = made;
  const served = openServed(store);

  expect(await served.channel("dev")).toMatchObject({ head: 0, targets: {} });
  expect(await served.channel("nightly")).toBeUndefined();

  await store.write((tx) => moveTo(tx, 1, { "el9.x86_64": 1 }));
  const first = await served.channel("dev");
  expect(first).toMatchObject({ head: 1, targets: { "el9.x86_64": 1 } });
  expect(await served.channel("dev")).toBe(first);

  await store.write((tx) => moveTo(tx, 2, { "el9.x86_64": 2 }));
  expect(await served.channel("dev")).toMatchObject({ head: 2, targets: { "el9.x86_64": 2 } });
});

test("a channel's settings say how long hosts may keep its metadata", async () => {
  await using made = await aStore();
  const served = openServed(made.store);
  expect(await served.channel("dev")).toMatchObject({ metadataExpireSeconds: null });

  const settings = { ...DEFAULT_CHANNEL_SETTINGS, metadataExpireSeconds: 60 };
  await made.store.write((tx) => updateSettings(tx, "dev", { settings }));

  expect(await served.channel("dev")).toMatchObject({ metadataExpireSeconds: 60 });
});

test("a package's downloads are refused from the moment that it is yanked so, until it is back", async () => {
  await using made = await aStore();
  const { store } = made;
  const served = openServed(store);
  const [kept, bad] = ["a".repeat(64), "b".repeat(64)];
  await store.write((tx) => addPackage(tx, "kept", kept));
  await store.write((tx) => addPackage(tx, "bad", bad));
  expect(await served.refused(bad)).toBe(false);

  const nevras = ["bad-1-1.noarch"];
  await store.write((tx) => markYanked(tx, nevras, { reason: "a hole", refuse: true }));
  expect(await served.refused(bad)).toBe(true);
  expect(await served.refused(kept)).toBe(false);

  await store.write((tx) => unmarkYanked(tx, nevras));
  expect(await served.refused(bad)).toBe(false);
});

async function addPackage(tx: Tx, name: string, signedSha256: string): Promise<void> {
  const version = { name, epoch: 0, version: "1", release: "1", arch: "noarch", evrKey: "1" };
  const file = {
    signedSha256,
    unsignedSha256: signedSha256,
    sizeBytes: 1,
    fileName: `${name}.rpm`,
  };
  const none = {
    yankedAt: null,
    yankReason: null,
    refusedAt: null,
    delistedAt: null,
    sweptAt: null,
  };
  const about = { summary: "", license: "", sourceRpm: "", buildTime: 0, repo: "", buildId: null };
  const nevra = `${name}-1-1.noarch`;
  await tx.db
    .insertInto("packages")
    .values({ nevra, ...version, ...file, ...about, ...none, publishedAt: 0, isPinned: 0 })
    .execute();
}
