import { expect, test } from "vitest";
import { cancelBuild, findBuild, rerunBuild } from "../../src/server/store/builds.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { readStore } from "../../src/server/store/read.ts";
import { aStore } from "../support/a-store.ts";
import {
  PLAN,
  SERVER,
  aRunningJob,
  aRunningPublish,
  accept,
  passed,
  switchTo,
} from "../support/store-rig.ts";

test("nothing to do ends the build skipped, with success on the commit", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store, { isPlanned: false });
  const plan = { ...PLAN, nothingToDo: "nothing to build" };

  await store.write((tx) => recordPlan(tx, { jobId, token }, plan, SERVER));

  expect(await findBuild(store, buildId)).toMatchObject({ state: "skipped" });
  expect(await store.write(claimStatuses)).toMatchObject([{ state: "success" }]);
});

test("a queued build is cancelled at once, a running one when its worker says so", async () => {
  await using held = await aStore();
  const { store } = held;
  const { made } = await accept(store);
  const queued = await store.write((tx) => cancelBuild(tx, made?.build.id ?? "", "ops"));
  const { buildId, jobId, token } = await aRunningJob(store);

  const running = await store.write((tx) => cancelBuild(tx, buildId, "ops"));

  expect(queued.result).toBe("cancelled");
  expect(running).toMatchObject({ result: "cancelling", running: [jobId] });
  expect(await store.write((tx) => renewLease(tx, jobId, token))).toMatchObject({ cancel: true });
  await store.write((tx) => endJob(tx, jobId, token, passed()));
  expect((await findBuild(store, buildId))?.state).toBe("cancelled");
});

test("a cancel after the switch leaves a note, once, and the build passed", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);
  await switchTo(store, { publishId, token: "p-token", base: 0 });
  expect((await findBuild(store, buildId))?.note).toBeNull();

  for (const _asked of [1, 2]) {
    const { result } = await store.write((tx) => cancelBuild(tx, buildId, "ops"));
    expect(result).toBe("already-final");
  }

  const note = "A cancel by ops came too late: the packages were live already.";
  expect(await findBuild(store, buildId)).toMatchObject({ state: "passed", note });
});

test("a rerun is a build of its own that may be pending again; the old build speaks no more", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  await store.write((tx) => endJob(tx, jobId, token, { ...passed(), packages: [] }));

  const rerun = await store.write((tx) => rerunBuild(tx, buildId, "ops"));

  expect(rerun).toMatchObject({ kind: "queued", number: 2 });
  expect(await store.write(claimStatuses)).toMatchObject([{ state: "pending" }]);
});

test("a build that is under way is not run a second time", async () => {
  await using held = await aStore();
  const { buildId } = await aRunningJob(held.store);

  const rerun = await held.store.write((tx) => rerunBuild(tx, buildId, "ops"));

  expect(rerun).toEqual({ kind: "not-possible" });
});

test("what pages count is the same while nothing changes, whatever the clock says", async () => {
  await using held = await aStore();
  await aRunningJob(held.store);
  const read = readStore(held.store, { liveSince: () => 1 });
  const before = await read.counts();

  held.advance(20_000);

  // Else each open page would be drawn and sent anew every time somebody looks.
  expect(await read.counts()).toEqual(before);
  expect(await read.buildCounts()).toEqual({ running: 1 });
});
