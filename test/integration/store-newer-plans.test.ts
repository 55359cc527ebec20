import { expect, test } from "vitest";
import { findBuild } from "../../src/server/store/builds.ts";
import { expireQueuedJobs } from "../../src/server/store/attempts.ts";
import { claimableJobs } from "../../src/server/store/claim-order.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { holdNewerPlans } from "../../src/server/store/newer-plans.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { approveBuild, expireApprovals } from "../../src/server/store/pull-requests.ts";
import { readStore } from "../../src/server/store/read.ts";
import { supersessionsOf } from "../../src/server/store/supersede.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { accept, aRunningJob, passed, PLAN, SERVER } from "../support/store-rig.ts";

const DAYS_MS = 24 * 3_600_000;

/** As a newer version would have written it; what else it holds is nobody's to guess. */
async function becomesNewer(store: Store, id: string): Promise<void> {
  const pipelineJson = JSON.stringify({ v: 3, intentions: [{ publish: "everything" }] });
  await store.write(({ db }) =>
    db.updateTable("builds").set({ pipelineJson }).where("id", "=", id).execute(),
  );
}

async function viewOf(store: Store, id: string) {
  const view = await readStore(store, { liveSince: () => 0 }).buildById(id);
  if (view === undefined) throw new Error("No such build.");
  return view;
}

/** A build of a newer version whose job ran when this program took over. */
async function held(store: Store) {
  const job = await aRunningJob(store);
  const plan = (await findBuild(store, job.buildId))?.pipelineJson ?? null;
  await becomesNewer(store, job.buildId);
  await store.write(holdNewerPlans);
  return { ...job, plan };
}

test("a build that a newer version planned waits, and says that the server must be upgraded", async () => {
  await using rig = await aStore();
  const { store, advance } = rig;
  const { buildId, jobId, token } = await held(store);

  const wait = expect.stringMatching(/^its plan was made by a newer version .*upgrade the server/);
  expect(await viewOf(store, buildId)).toMatchObject({ state: "running", reason: wait });
  expect((await viewOf(store, buildId)).jobs).toMatchObject([{ state: "queued", reason: wait }]);
  // Whoever works for it hears so, and what it says does not count.
  expect(await store.write((tx) => renewLease(tx, jobId, token))).toBeUndefined();
  expect(await store.write((tx) => endJob(tx, jobId, token, passed()))).toBeUndefined();
  // Nobody takes it, and no time is too long.
  advance(30 * DAYS_MS);
  expect(await claimableJobs(store, 10)).toEqual([]);
  expect(await store.write((tx) => claimJob(tx, "w2", "token-2"))).toBeUndefined();
  expect(await store.write((tx) => expireQueuedJobs(tx, DAYS_MS))).toEqual([]);
  expect(await store.write(expireApprovals)).toEqual([]);
  expect((await viewOf(store, buildId)).state).toBe("running");
});

test("its wait is none for approval: nobody can approve it, and a newer push does not end it", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { buildId } = await held(store);

  const approved = store.write((tx) => approveBuild(tx, buildId, { withItsFile: false, by: "me" }));
  expect(await approved).toEqual({ kind: "not-waiting" });
  expect((await viewOf(store, buildId)).waitReason).toBeNull();
  const { made } = await accept(store, aPush({ sha: "2".repeat(40), after: "2".repeat(40) }), {
    deliveryId: "second",
  });
  expect(await supersessionsOf(store, made?.build.id ?? "")).toEqual([]);
});

test("under a version that can read its plan it goes on, and loses no attempt by it", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { buildId, jobId, plan: pipelineJson } = await held(store);

  await store.write(({ db }) => db.updateTable("builds").set({ pipelineJson }).execute());
  await store.write(holdNewerPlans);

  const granted = await store.write((tx) => claimJob(tx, "w2", "token-2"));
  expect(granted?.job).toMatchObject({ id: jobId, attempt: 2, countedAttempts: 1 });
  await store.write((tx) => recordPlan(tx, { jobId, token: "token-2" }, PLAN, SERVER));
  await store.write((tx) => endJob(tx, jobId, "token-2", passed()));
  const view = await viewOf(store, buildId);
  expect(view).toMatchObject({ state: "running", publish: { state: "queued" } });
});

test("even if nobody held it, it never passes unpublished", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { buildId, jobId, token } = await aRunningJob(store);
  await becomesNewer(store, buildId);

  await expect(store.write((tx) => endJob(tx, jobId, token, passed()))).rejects.toThrow(
    "has a plan of a newer version",
  );

  expect((await viewOf(store, buildId)).state).toBe("running");
});
