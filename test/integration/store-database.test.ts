import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { openDatabase } from "../../src/server/store/database.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
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

  await expect(openDatabase(held.path)).rejects.toThrow("could not be brought to this version");
});

test("a write that the disk refuses is told, so that the process can start anew", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-full-"));
  const told: unknown[] = [];
  let ids = 0;
  const newId = (prefix: string) => `${prefix}-${(ids += 1)}`;
  const env = { now: Date.now, newId, buildUrl: () => "" };
  const store = await openStore(join(dir, "tatara.db"), env, (err) => told.push(err));
  // SQLite itself says "full" at this bound, exactly as it does when the disk is.
  await sql`PRAGMA max_page_count = 1`.execute(store.db);

  const pushes = Array.from({ length: 100 }, () => aPush({ message: "x".repeat(2_000) }));
  const writing = pushes.map((push) => store.write((tx) => recordPush(tx, anIntake(push), LIMITS)));
  const results = await Promise.allSettled(writing);

  expect(results.some(({ status }) => status === "rejected")).toBe(true);
  expect(told.length).toBeGreaterThan(0);
  await store.close();
  await rm(dir, { recursive: true });
});
