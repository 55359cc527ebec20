import { expect, test } from "vitest";
import { cancelBuild, findBuild } from "../../src/server/store/builds.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { aPackageStep, aPipeline, aPlanMessage } from "../support/a-pipeline.ts";
import { aStore } from "../support/a-store.ts";
import { SERVER, aRunningJob } from "../support/store-rig.ts";

test("a build that is cancelled before its plan is there gets no jobs, on no machine", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store, { isPlanned: false });
  await store.write((tx) => cancelBuild(tx, buildId, "admin"));
  const plan = aPlanMessage(aPipeline({ packages: [aPackageStep({ for: ["el9", "el10"] })] }));
  const recorded = await store.write((tx) => recordPlan(tx, { jobId, token }, plan, SERVER));

  expect(recorded?.answer.job).toBeNull();
  expect(await store.write((tx) => claimJob(tx, "w2", "token-2"))).toBeUndefined();
  expect(await findBuild(store, buildId)).toMatchObject({
    state: "cancelled",
    reason: "cancelled on request",
  });
});

test("a job that nobody has planned cannot pass: its publish rules would be lost", async () => {
  await using held = await aStore();
  const { store } = held;
  const job = await aRunningJob(store, { isPlanned: false });

  const say = (state: "passed" | "failed") =>
    store.write((tx) =>
      endJob(tx, job.jobId, job.token, { state, reason: null, failure: null, packages: [] }),
    );
  expect(await say("passed")).toBeUndefined();
  expect(await findBuild(store, job.buildId)).toMatchObject({ state: "queued" });
  expect(await say("failed")).toMatchObject({ buildId: job.buildId });
});
