import { expect, test } from "vitest";
import { ATTEMPT_PAUSE_MAX_MS } from "../../src/domain/attempt.ts";
import { BACKOFF_MAX_MS } from "../../src/domain/backoff.ts";
import { startReconciler } from "../../src/server/reconciler.ts";
import { reportFault } from "../../src/server/store/attempts.ts";
import { findBuild } from "../../src/server/store/builds.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import { answerStatus, claimStatuses } from "../../src/server/store/outbox.ts";
import { rememberSchedules, runTick } from "../../src/server/store/schedules.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPush, anIntake, aStore } from "../support/a-store.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { aRunningJob } from "../support/store-rig.ts";
import { until } from "../support/until.ts";

const HOUR_MS = 3_600_000;

function reconcilerOf(store: Store) {
  const nothing = () => Promise.resolve();
  const tickets = {
    add: nothing,
    addAll: nothing,
    close: nothing,
    depth: () => Promise.resolve(0),
  };
  const announcer = { announce: () => {} };
  return startReconciler({
    store,
    tickets,
    announcer,
    logger: silentLogger,
    settlePushes: () => Promise.resolve(),
  });
}

const jobOf = (store: Store) => store.db.selectFrom("jobs").selectAll().executeTakeFirstOrThrow();

test("a lease that nobody renews ends; no lease ends because the clock jumped or we stood still", async () => {
  await using held = await aStore();
  const { store } = held;
  await store.write((tx) => recordPush(tx, anIntake(aPush()), { waitingBuildsMax: 10 }));
  await store.write((tx) => claimJob(tx, "w1", "token"));
  const before = await jobOf(store);
  const reconciler = reconcilerOf(store);
  const expiresAt = async () => (await jobOf(store)).leaseExpiresAt;

  held.advance(3_600_000);
  await until(expiresAt, (before.leaseExpiresAt ?? 0) + 3_600_000, { deadlineMs: 30_000 });
  expect((await jobOf(store)).state).toBe("running");

  // Four seconds between two looks are no jump; the worker says nothing meanwhile.
  const passing = setInterval(() => held.advance(4_000), 1_000);
  await until(async () => (await jobOf(store)).state, "queued", { deadlineMs: 60_000 });
  clearInterval(passing);
  reconciler.close();
});

test("no lease ends because the clock is set while its look waits for the database", async () => {
  await using held = await aStore();
  const { store } = held;
  await aRunningJob(store);
  const before = await jobOf(store);
  const slow: Store = {
    ...store,
    write: async (work) => {
      held.advance(HOUR_MS);
      return await store.write(work);
    },
  };
  const reconciler = reconcilerOf(slow);

  const isRestarted = async () => (await jobOf(store)).leaseExpiresAt !== before.leaseExpiresAt;
  await until(isRestarted, true, { deadlineMs: 30_000 });
  reconciler.close();

  expect((await jobOf(store)).state).toBe("running");
});

test("a clock that is set a day ahead ends nothing that waits", async () => {
  await using held = await aStore();
  const { store } = held;
  await store.write((tx) => recordPush(tx, anIntake(aPush()), { waitingBuildsMax: 10 }));
  await aRunningJob(store);
  const claimed = store.db.selectFrom("jobs").selectAll().where("state", "=", "running");
  const expiresAt = async () => (await claimed.executeTakeFirst())?.leaseExpiresAt;
  const before = (await expiresAt()) ?? 0;
  const reconciler = reconcilerOf(store);

  held.advance(25 * 3_600_000);
  await until(expiresAt, before + 25 * 3_600_000, { deadlineMs: 30_000 });
  await reconciler.reconcile();
  reconciler.close();

  const states = await store.db.selectFrom("jobs").select("state").orderBy("state").execute();
  expect(states.map(({ state }) => state)).toEqual(["queued", "running"]);
});

test("after a clock was set back a schedule goes on, and no tick comes twice", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId } = await aRunningJob(store);
  const build = await findBuild(store, buildId);
  if (build === undefined) throw new Error("There is no build.");
  await store.write((tx) => rememberSchedules(tx, build, ["0 * * * *"]));
  const due = { repo: build.repo, forge: "github", defaultBranch: "main" } as const;
  const head = { sha: build.after, message: "", authorName: "" };
  const tick = () => store.write((tx) => runTick(tx, due, head, { waitingBuildsMax: 10 }));
  const nextAt = async () => (await store.db.selectFrom("schedules").select("nextAt").execute())[0];
  const first = await nextAt();
  held.advance(HOUR_MS);
  await tick();
  const reconciler = reconcilerOf(store);

  held.advance(-HOUR_MS);
  await until(nextAt, first, { deadlineMs: 30_000 });
  reconciler.close();

  held.advance(HOUR_MS);
  expect(await tick()).toBeUndefined();
  held.advance(HOUR_MS);
  expect(await tick()).toBeDefined();
});

test("a clock that is set back makes nothing wait longer than its pause", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId, token } = await aRunningJob(store);
  const fault = { code: "ENGINE_FAILED", message: "gone", step: null } as const;
  await store.write((tx) => reportFault(tx, jobId, token, fault));
  const [status] = await store.write(claimStatuses);
  const result = { kind: "later", afterMs: 20_000, reason: "502", wholeCredential: false } as const;
  const { id = "", lease = "", version = 0 } = status ?? {};
  await store.write((tx) => answerStatus(tx, id, { lease, version, result }));
  const reconciler = reconcilerOf(store);

  held.advance(-3_600_000);
  await until(async () => (await jobOf(store)).notBeforeAt, store.now() + ATTEMPT_PAUSE_MAX_MS, {
    deadlineMs: 30_000,
  });
  reconciler.close();

  held.advance(ATTEMPT_PAUSE_MAX_MS);
  expect(await store.write((tx) => claimJob(tx, "w1", "token-2"))).toMatchObject({
    job: { id: jobId },
  });
  held.advance(BACKOFF_MAX_MS);
  expect(await store.write(claimStatuses)).toMatchObject([{ id }]);
});
