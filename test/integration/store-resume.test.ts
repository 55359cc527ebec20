import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { LEASE_MS } from "../../src/domain/attempt.ts";
import { GOODBYE_LEASE_MS } from "../../src/domain/life/return-of-worker.ts";
import { expireLeases } from "../../src/server/store/attempts.ts";
import { findBuild } from "../../src/server/store/builds.ts";
import { claimJob, recordStep } from "../../src/server/store/jobs.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { noteGoodbye, returnWorker } from "../../src/server/store/resume.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { HeldAttempt } from "../../src/shared/worker-messages.ts";
import { aStore } from "../support/a-store.ts";
import { aRunningJob } from "../support/store-rig.ts";

const freshToken = (): string => randomBytes(32).toString("hex");

function held(jobId: string, token: string, changes: Partial<HeldAttempt> = {}): HeldAttempt {
  return { jobId, token, nextToken: freshToken(), wasWorkedOn: true, logs: [], ...changes };
}

async function comeBack(store: Store, worker: string, attempts: readonly HeldAttempt[]) {
  const { resumed, changes } = await store.write((tx) => returnWorker(tx, worker, attempts));
  return { resumed, changes: changes.length };
}

async function endStep(store: Store, lease: { jobId: string; token: string }, name: string) {
  await store.write((tx) =>
    recordStep(tx, lease, name, {
      state: "passed",
      startedAt: 1,
      endedAt: 2,
      failure: null,
      note: null,
      details: null,
    }),
  );
}

test("a worker that comes back with its token goes on in the same attempt, under its next token", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId, token } = await aRunningJob(store);
  const one = held(jobId, token);
  rig.advance(LEASE_MS - 1);

  const { resumed } = await comeBack(store, "w1", [one]);

  expect(resumed.map(({ job }) => [job.id, job.attempt])).toEqual([[jobId, 1]]);
  expect(await store.write((tx) => renewLease(tx, jobId, token))).toBeUndefined();
  expect(await store.write((tx) => renewLease(tx, jobId, one.nextToken))).toMatchObject({
    cancel: false,
  });
});

test("asked again, since the answer was lost, it says the same and counts nothing twice", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId, token } = await aRunningJob(store);
  const one = held(jobId, token);

  const first = await comeBack(store, "w1", [one]);
  const second = await comeBack(store, "w1", [one]);

  const counted = [first, second].map(({ resumed }) => resumed[0]?.job.countedAttempts);
  expect(counted).toEqual([2, 2]);
});

test("what a worker does not hold any more is lost at once; a stranger's token resumes nothing", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId, token } = await aRunningJob(store);

  expect((await comeBack(store, "w2", [held(jobId, token)])).resumed).toEqual([]);
  expect((await comeBack(store, "w1", [held(jobId, freshToken())])).resumed).toEqual([]);

  expect(await store.write((tx) => claimJob(tx, "w2", freshToken()))).toMatchObject({
    job: { id: jobId, attempt: 2 },
  });
  expect((await comeBack(store, "w1", [held(jobId, token)])).resumed).toEqual([]);
});

test("a job that ends its worker each time is given up after three; one that makes progress is not", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { buildId, jobId, token } = await aRunningJob(store);
  let now = held(jobId, token);
  const again = async () => {
    const { resumed } = await comeBack(store, "w1", [now]);
    now = held(jobId, now.nextToken);
    return resumed.length;
  };
  for (const step of ["checkout", "a", "b", "c"]) {
    await endStep(store, { jobId, token: now.token }, step);
    expect(await again()).toBe(1);
  }

  expect([await again(), await again(), await again()]).toEqual([1, 1, 0]);

  expect(await findBuild(store, buildId)).toMatchObject({
    state: "errored",
    reason: "worker lost 3 times",
  });
});

test("neither a planned restart nor a job that only waited for its turn costs an attempt", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId, token } = await aRunningJob(store);
  const first = held(jobId, token);
  await store.write((tx) => noteGoodbye(tx, "w1"));
  const planned = await comeBack(store, "w1", [first]);

  const second = held(jobId, first.nextToken, { wasWorkedOn: false });
  const waited = await comeBack(store, "w1", [second]);

  expect([planned, waited].map(({ resumed }) => resumed[0]?.job.countedAttempts)).toEqual([1, 1]);
});

test("a planned restart costs no attempt even when nothing of the job is left, as after a boot", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId } = await aRunningJob(store);
  await store.write((tx) => noteGoodbye(tx, "w1"));

  await comeBack(store, "w1", []);

  const claimed = await store.write((tx) => claimJob(tx, "w1", freshToken()));
  expect(claimed?.job).toMatchObject({ id: jobId, attempt: 2, countedAttempts: 1 });
});

test("after a goodbye the lease is held for two minutes, and no longer", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId, token } = await aRunningJob(store);
  await store.write((tx) => noteGoodbye(tx, "w1"));

  rig.advance(GOODBYE_LEASE_MS - 1);
  expect(await store.write(expireLeases)).toEqual([]);
  rig.advance(2);
  expect(await store.write(expireLeases)).toHaveLength(1);

  expect((await comeBack(store, "w1", [held(jobId, token)])).resumed).toEqual([]);
});

test("what was granted in the moment of a planned restart costs no attempt", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const { jobId } = await aRunningJob(store);
  await store.write((tx) => noteGoodbye(tx, "w1"));

  expect(await comeBack(store, "w1", [])).toEqual({ resumed: [], changes: 1 });

  const jobs = store.db.selectFrom("jobs").selectAll().where("id", "=", jobId);
  expect(await jobs.execute()).toMatchObject([{ state: "queued", countedAttempts: 0 }]);
});

test("a lost worker's running steps are named, so that their logs can say so; what it told has its end", async () => {
  await using rig = await aStore();
  const { store } = rig;
  const lease = await aRunningJob(store);
  await endStep(store, lease, "checkout");
  const running = { state: "running", startedAt: 1 } as const;
  await store.write((tx) => recordStep(tx, lease, "unit", running));
  rig.advance(LEASE_MS + 1);

  const [change] = await store.write(expireLeases);

  const { jobId, buildId } = lease;
  expect(change?.lostLogs).toEqual([{ buildId, jobId, attempt: 1, step: "unit" }]);
});
