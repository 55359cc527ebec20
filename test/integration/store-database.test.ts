import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../../src/server/store/database.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
import type { DiskTrouble } from "../../src/server/store/sqlite.ts";
import { openStore } from "../../src/server/store/store.ts";
import { aPush, aStore, anIntake } from "../support/a-store.ts";
import { LIMITS } from "../support/store-rig.ts";

test("a database of a newer version is refused", async () => {
  await using held = await aStore();
  await held.store.db
    .withTables<{ kysely_migration: { name: string; timestamp: string } }>()
    .insertInto("kysely_migration")
    .values({ name: "9999-later", timestamp: new Date(0).toISOString() })
    .execute();

  await expect(openDatabase(held.path)).rejects.toThrow("a newer version of Tatara (9999-later)");
});

async function openedStore() {
  const dir = await mkdtemp(join(tmpdir(), "tatara-full-"));
  const path = join(dir, "tatara.db");
  const told: DiskTrouble[] = [];
  let ids = 0;
  const newId = (prefix: string) => `${prefix}-${(ids += 1)}`;
  const env = { now: Date.now, newId, buildUrl: () => "" };
  const store = await openStore(path, env, (_err, trouble) => told.push(trouble));
  onTestFinished(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });
  const pushMany = (count: number) => {
    const pushes = Array.from({ length: count }, () => aPush({ message: "x".repeat(2_000) }));
    const writing = pushes.map((push) =>
      store.write((tx) => recordPush(tx, anIntake(push), LIMITS)),
    );
    return Promise.allSettled(writing);
  };
  return { store, path, told, pushMany };
}

test("on a full disk each write fails by itself, and all goes on once there is room", async () => {
  const { store, told, pushMany } = await openedStore();
  // SQLite itself says "full" at this bound, exactly as it does when the disk is.
  await sql`PRAGMA max_page_count = 1`.execute(store.db);
  expect((await pushMany(100)).some(({ status }) => status === "rejected")).toBe(true);

  await sql`PRAGMA max_page_count = 1000000`.execute(store.db);
  expect((await pushMany(20)).map(({ status }) => status)).toEqual(
    Array.from({ length: 20 }, () => "fulfilled"),
  );
  expect(new Set(told)).toEqual(new Set(["full"]));
});

test("after a fault of the disk nothing is written any more, and the process is told to end", async () => {
  const { store, path, told, pushMany } = await openedStore();
  await pushMany(50);
  await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(store.db);
  const whole = await readFile(path);
  const spoiled = Buffer.from(whole);
  spoiled.fill(0xa5, 2 * 4_096);
  await writeFile(path, spoiled);
  await sql`PRAGMA shrink_memory`.execute(store.db);

  expect((await pushMany(5)).map(({ status }) => status)).not.toContain("fulfilled");
  expect(new Set(told)).toEqual(new Set(["broken"]));

  // Whole again; but who knows what else is not what we believe.
  await writeFile(path, whole);
  const [late] = await pushMany(1);
  expect(late).toMatchObject({ reason: { message: expect.stringContaining("not trusted") } });
});
