import { constants, DatabaseSync, type SQLInputValue } from "node:sqlite";
import { Kysely } from "kysely";
import { expect, test } from "vitest";
import {
  FIRST_PLACE,
  buildsToEmpty,
  markRemovable,
} from "../../src/server/store/build-retention.ts";
import { pickJob } from "../../src/server/store/claim-order.ts";
import { passedAt } from "../../src/server/store/build-grants.ts";
import { overQuota, recordPush } from "../../src/server/store/deliveries.ts";
import { countRows } from "../../src/server/store/read-counts.ts";
import { claimPublish } from "../../src/server/store/publishes.ts";
import type { Tables } from "../../src/server/store/schema.ts";
import { sqliteDialect } from "../../src/server/store/sqlite.ts";
import type { Tx } from "../../src/server/store/store.ts";
import { supersessionsOf } from "../../src/server/store/supersede.ts";
import { aPush, aStore, anIntake, type TestStore } from "../support/a-store.ts";
import { LIMITS, aQueuedPublish, accept } from "../support/store-rig.ts";

interface Asked {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

async function askedBy(
  { path, store }: TestStore,
  work: (tx: Tx) => Promise<unknown>,
): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  const db = new Kysely<Tables>({
    dialect: sqliteDialect(path, () => undefined),
    log: ({ query: { sql, parameters } }) =>
      void asked.push({ sql, values: parameters as readonly SQLInputValue[] }),
  });
  await work({ ...store, db, newId: (prefix: string) => `${prefix}-x` } as unknown as Tx);
  await db.destroy();
  return asked;
}

/** How SQLite goes about each query that `work` asks. */
async function plansOf(
  held: TestStore,
  work: (tx: Tx) => Promise<unknown>,
): Promise<readonly string[]> {
  const asked = await askedBy(held, work);
  using raw = new DatabaseSync(held.path);
  return asked.flatMap(({ sql, values }) =>
    raw
      .prepare(`explain query plan ${sql}`)
      .all(...values)
      .map(({ detail }) => String(detail)),
  );
}

test("what a push and a claim ask is planned once, whatever values it is asked with", async () => {
  await using held = await aStore();
  await accept(held.store);
  const asked = await askedBy(held, async (tx) => {
    await recordPush(tx, anIntake(aPush()), LIMITS);
    await pickJob(tx, "w1", { arch: "x86_64" });
  });
  using raw = new DatabaseSync(held.path);
  let planned = 0;
  // SQLite asks for permission whenever it makes a plan.
  raw.setAuthorizer(() => {
    planned += 1;
    return constants.SQLITE_OK;
  });

  const plannedAgain = asked
    .filter(({ sql }) => sql.startsWith("select"))
    .filter(({ sql, values }) => {
      const statement = raw.prepare(sql);
      const before = planned;
      statement.all(...values);
      statement.all(...values);
      return planned !== before;
    });
  expect(planned).toBeGreaterThan(0);
  expect(plannedAgain).toEqual([]);
});

test("a publish that is claimed looks at open builds only, however many a branch has had", async () => {
  await using held = await aStore();
  await aQueuedPublish(held.store);
  const plans = await plansOf(held, (tx) => claimPublish(tx, "p1", "p-token"));

  expect(plans.filter((plan) => plan.startsWith("SEARCH older "))).toEqual([
    "SEARCH older USING INDEX buildsByRepo (repo=? AND state=? AND waitReason=?)",
  ]);
});

test("a push counts what waits in an index, and looks at those builds only that it may end", async () => {
  await using held = await aStore();
  const { made } = await accept(held.store);
  if (made === undefined) throw new Error("No build.");
  const plans = await plansOf(held, async (tx) => {
    await overQuota(tx, made.build.repo, 1_000);
    await supersessionsOf(tx, made.build.id);
  });

  expect(plans).toContain(
    "SEARCH builds USING COVERING INDEX buildsByRepo (repo=? AND state=? AND waitReason=?)",
  );
  expect(plans.filter((plan) => plan.includes(" older "))).toEqual([
    "SEARCH older USING INDEX buildsToSupersede (repo=? AND ref=? AND number>? AND number<?)",
  ]);
});

test("what passed last is found in the newest builds of the ref, not in all of the repo", async () => {
  await using held = await aStore();
  const { made } = await accept(held.store);
  if (made === undefined) throw new Error("No build.");
  const plans = await plansOf(held, (tx) => passedAt(tx, made.build));

  expect(plans).toContain("SEARCH builds USING INDEX sqlite_autoindex_builds_1 (id=?)");
  expect(plans.filter((plan) => plan.includes("(repo=? AND number<?)"))).toEqual([]);
});

test("a claim reads the head of the line; it does not sort all that wait", async () => {
  await using held = await aStore();
  await accept(held.store);
  const plans = await plansOf(held, (tx) => pickJob(tx, "w1", { arch: "x86_64" }));

  expect(plans).toContain("SEARCH jobs USING INDEX jobsInLine (state=? AND isBlocked=?)");
  expect(plans).not.toContain("USE TEMP B-TREE FOR ORDER BY");
});

test("a delivery looks among what the server found by itself, not at all that its repo delivered", async () => {
  await using held = await aStore();
  await accept(held.store);
  const intake = anIntake(aPush());
  const plans = await plansOf(held, (tx) => recordPush(tx, intake, LIMITS));

  expect(plans.filter((plan) => plan.includes("deliveriesFound"))).toHaveLength(1);
  expect(plans.filter((plan) => plan.includes("deliveriesByRepo"))).toEqual([]);
});

test("the numbers that every page shows are read off indexes, whatever was ever refused or published", async () => {
  await using held = await aStore();
  await aQueuedPublish(held.store);
  const plans = await plansOf(held, (tx) => countRows(tx));

  const scans = plans.filter((plan) => /^SCAN (?:outbox|publishes|builds|jobs)/.test(plan));
  // Only what has something left to say is in that index.
  expect(new Set(scans)).toEqual(new Set(["SCAN outbox USING INDEX outboxWaiting"]));
  expect(plans).toContain("SEARCH outbox USING INDEX outboxRefused (terminalAt>?)");
});

test("a look at old builds reads those that have their logs, not all that ever were", async () => {
  await using held = await aStore();
  await accept(held.store);
  const slice = { endedBefore: held.store.now(), max: 200 };
  const plans = await plansOf(held, async (tx) => {
    await markRemovable(tx, FIRST_PLACE, slice);
    await buildsToEmpty(tx, 200);
  });

  expect(plans.filter((plan) => /^(SCAN|USE TEMP)/.test(plan))).toEqual([]);
  expect(plans.filter((plan) => / builds /.test(plan))).toEqual([
    "SEARCH builds USING INDEX buildsWithLogs (createdAt>? AND createdAt<?)",
    "SEARCH builds USING INDEX buildsToEmpty (logsRemovedAt>?)",
  ]);
  expect(plans).toContain("SEARCH other USING INDEX buildsCompared (compareWith=?)");
});
