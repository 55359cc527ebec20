import { expect, test } from "vitest";
import { LEASE_MS } from "../../src/domain/attempt.ts";
import {
  expireLeases,
  expireQueuedJobs,
  handBackJob,
  reportFault,
} from "../../src/server/store/attempts.ts";
import { cancelBuild, findBuild, makeReady } from "../../src/server/store/builds.ts";
import { claimJob, endJob, recordStep } from "../../src/server/store/jobs.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { claimPublish } from "../../src/server/store/publishes.ts";
import { readStore } from "../../src/server/store/read.ts";
import { returnWorker } from "../../src/server/store/resume.ts";
import { type PlanMessage } from "../../src/shared/build-messages.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { PLAN, SERVER, aRunningJob, accept, passed } from "../support/store-rig.ts";

test("a build of the own remote can be claimed only once its ref has moved", async () => {
  await using held = await aStore();
  const { store } = held;
  const { made } = await accept(store, aPush({ forge: "own", sha: undefined }), {
    bodyDigest: null,
  });
  const early = await store.write((tx) => claimJob(tx, "w1", "t"));
  const facts = { sha: "c".repeat(40), message: "hello", authorName: "A", skip: null };

  await store.write((tx) => makeReady(tx, made?.build.id ?? "", facts));

  expect(early).toBeUndefined();
  const granted = await store.write((tx) => claimJob(tx, "w1", "t"));
  expect(granted?.build).toMatchObject({ sha: facts.sha, message: "hello" });
});

test("a job is granted once, and an old token writes nothing", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);

  expect(await store.write((tx) => claimJob(tx, "w2", "token-2"))).toBeUndefined();
  held.advance(LEASE_MS + 1);
  await store.write(expireLeases);
  await store.write((tx) => claimJob(tx, "w2", "token-2"));

  expect(await store.write((tx) => renewLease(tx, jobId, token))).toBeUndefined();
  expect(
    await store.write((tx) =>
      recordStep(tx, { jobId, token }, "test", { state: "running", startedAt: 1 }),
    ),
  ).toBeUndefined();
  expect(await store.write((tx) => endJob(tx, jobId, token, passed()))).toBeUndefined();
  expect((await findBuild(store, buildId))?.state).toBe("running");
});

test("a step of a worker whose clock is ahead does not end before it began", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId, token } = await aRunningJob(store);
  const startedAt = store.now() + 3_600_000;
  const running = { state: "running", startedAt } as const;
  await store.write((tx) => recordStep(tx, { jobId, token }, "test", running));

  held.advance(LEASE_MS + 1);
  await store.write(expireLeases);

  const steps = await store.db.selectFrom("steps").selectAll().execute();
  const ended = steps.map((step) => [step.name, step.state, step.startedAt, step.endedAt]);
  expect(ended).toContainEqual(["test", "errored", startedAt, startedAt]);
  expect(ended).toContainEqual(["package", "skipped", null, store.now()]);
});

test("a worker that is lost three times ends the build as ours, never a fourth time", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId } = await aRunningJob(store);
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    held.advance(LEASE_MS + 1);
    await store.write(expireLeases);
    if (attempt < 3) await store.write((tx) => claimJob(tx, "w", `t-${attempt}`));
  }

  expect(await store.write((tx) => claimJob(tx, "w", "t-4"))).toBeUndefined();
  const build = await findBuild(store, buildId);
  expect(build).toMatchObject({ state: "errored", reason: "worker lost 3 times" });
  const statuses = await store.write(claimStatuses);
  expect(statuses).toMatchObject([{ state: "error" }]);
});

test("no step of a lost attempt seems to run on, not even after a cancel in between", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  const running = { state: "running", startedAt: 1 } as const;
  await store.write((tx) => recordStep(tx, { jobId, token }, "test", running));

  await store.write((tx) => returnWorker(tx, "w1", []));
  await store.write((tx) => cancelBuild(tx, buildId, "admin"));

  const build = await readStore(store, { liveSince: () => 0 }).buildById(buildId);
  const states = build?.jobs[0]?.steps.map(({ name, state }) => `${name} ${state}`);
  expect(states).toContain("test errored");
  expect(states?.join(" ")).not.toMatch(/queued|running/);
});

test("an infra fault waits before the next attempt; handing back costs no attempt", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId, token } = await aRunningJob(store);
  const fault = { code: "CANNOT_FETCH", message: "no answer", step: "checkout" } as const;

  await store.write((tx) => reportFault(tx, jobId, token, fault));

  expect(await store.write((tx) => claimJob(tx, "w", "t-2"))).toBeUndefined();
  held.advance(30_000);
  const second = await store.write((tx) => claimJob(tx, "w", "t-2"));
  expect(second?.job).toMatchObject({ attempt: 2, countedAttempts: 2 });
  await store.write((tx) => handBackJob(tx, jobId, "t-2"));
  const third = await store.write((tx) => claimJob(tx, "w", "t-3"));
  expect(third?.job).toMatchObject({ attempt: 3, countedAttempts: 2 });
});

test("a commit that is not there is asked for three times; then the build is cancelled, and never green", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  const gone = { code: "COMMIT_GONE", message: "no such commit", step: "checkout" } as const;

  await store.write((tx) => reportFault(tx, jobId, token, gone));
  for (const [again, pauseMs] of [
    ["t-2", 30_000],
    ["t-3", 240_000],
  ] as const) {
    expect((await findBuild(store, buildId))?.state).toBe("running");
    held.advance(pauseMs);
    await store.write((tx) => claimJob(tx, "w", again));
    await store.write((tx) => reportFault(tx, jobId, again, gone));
  }

  const build = await findBuild(store, buildId);
  expect(build).toMatchObject({ state: "cancelled", reason: "commit-gone: no such commit" });
  const statuses = await store.write(claimStatuses);
  expect(statuses).toMatchObject([{ state: "error" }]);
});

test("a commit that a later push took off its branch is asked for once, and holds up no publish", async () => {
  await using held = await aStore();
  const { store } = held;
  const [base, lost, next] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [
    string,
    string,
    string,
  ];
  const moved = (before: string, after: string) => aPush({ before, after, sha: after });
  const first = await aRunningJob(store, { push: moved(base, lost), isPlanned: false });
  const newer = await aRunningJob(store, { push: moved(lost, next), token: "t-2" });
  await store.write((tx) => endJob(tx, newer.jobId, newer.token, passed()));
  const gone = { code: "COMMIT_GONE", message: "no such commit", step: "checkout" } as const;
  const claim = () => store.write((tx) => claimPublish(tx, "p", "t-p"));
  expect((await claim()).grant).toBeUndefined();

  await store.write((tx) => reportFault(tx, first.jobId, first.token, { ...gone, refTip: next }));

  const reason = "commit-gone: no such commit";
  expect(await findBuild(store, first.buildId)).toMatchObject({ state: "cancelled", reason });
  expect((await claim()).grant).toBeDefined();
});

test("a commit that may yet come is asked for again, whatever pushes there are", async () => {
  await using held = await aStore();
  const { store } = held;
  const [base, early, next] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [
    string,
    string,
    string,
  ];
  const moved = (before: string, after: string) => aPush({ before, after, sha: after });
  const { jobId, buildId, token } = await aRunningJob(store, { push: moved(base, early) });
  await accept(store, moved(early, next));
  const gone = { code: "COMMIT_GONE", message: "no such commit", step: "checkout" } as const;

  // The forge shows the branch as it was before either push.
  await store.write((tx) => reportFault(tx, jobId, token, { ...gone, refTip: base }));

  expect((await findBuild(store, buildId))?.state).toBe("running");
});

test("a job that no worker takes ends; one that waits for its next attempt has waited since then", async () => {
  await using held = await aStore();
  const { store } = held;
  const dayMs = 24 * 3_600_000;
  const { jobId, token } = await aRunningJob(store);
  const untaken = await accept(store);
  held.advance(dayMs + 1);
  await store.write((tx) => handBackJob(tx, jobId, token));

  const changes = await store.write((tx) => expireQueuedJobs(tx, dayMs));

  expect(changes).toMatchObject([{ buildId: untaken.made?.build.id }]);
  expect(await store.write((tx) => claimJob(tx, "w2", "t-2"))).toMatchObject({
    job: { id: jobId },
  });
});

test("a plan is recorded once; saying it again is fine, another plan is stale", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId, token } = await aRunningJob(store);
  const say = (plan: PlanMessage) =>
    store.write((tx) => recordPlan(tx, { jobId, token }, plan, SERVER));
  const other = { ...PLAN, pipeline: { ...PLAN.pipeline, runAllOn: [] } };

  expect(await say(PLAN)).toBeDefined();
  expect(await say(other)).toBeUndefined();
});

test("a late running message never reopens a step", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  const say = (message: Parameters<typeof recordStep>[3]) =>
    store.write((tx) => recordStep(tx, { jobId, token }, "test", message));
  await say({
    state: "passed",
    startedAt: 1,
    endedAt: 2,
    failure: null,
    note: null,
    details: null,
  });

  await say({ state: "running", startedAt: 1 });

  const build = await readStore(store, { liveSince: () => 0 }).buildById(buildId);
  expect(build?.jobs[0]?.steps.find(({ name }) => name === "test")?.state).toBe("passed");
});

test("what a worker held is queued again at once when it starts anew", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId } = await aRunningJob(store);

  const others = await store.write((tx) => returnWorker(tx, "w2", []));
  const { changes } = await store.write((tx) => returnWorker(tx, "w1", []));

  expect(others.changes).toEqual([]);
  expect(changes).toMatchObject([{ queuedJobs: [jobId] }]);
  const again = await store.write((tx) => claimJob(tx, "w1", "t-2"));
  expect(again?.job).toMatchObject({ attempt: 2, countedAttempts: 2 });
});
