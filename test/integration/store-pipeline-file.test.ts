import { expect, test } from "vitest";
import { guessPipeline } from "../../src/domain/pipeline-guess.ts";
import type { PipelineProblem } from "../../src/domain/pipeline-problem.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPipeline, aPlanMessage, aTest } from "../support/a-pipeline.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { treeOf } from "../support/pipeline-fixtures.ts";
import { accept, SERVER } from "../support/store-rig.ts";

const WARNING: PipelineProblem = {
  code: "KEY_RETIRED",
  line: 1,
  column: 1,
  length: 6,
  message: '"retain" is now "keep"',
  hint: "`tatara fix` rewrites it",
  isWarning: true,
};

/** A build whose first job a worker has. */
async function claimed(store: Store) {
  const { made } = await accept(store, aPush());
  const granted = await store.write((tx) => claimJob(tx, "w1", "token", {}));
  if (made === undefined || granted === undefined) throw new Error("Nothing was granted.");
  const lease = { jobId: granted.job.id, token: "token" };
  return {
    lease,
    view: () => readStore(store, { liveSince: () => 0 }).buildById(made.build.id),
  };
}

test("a refused file is kept with its mistakes for the build's page", async () => {
  await using opened = await aStore();
  const { store } = opened;
  const { lease, view } = await claimed(store);
  const problems = [{ ...WARNING, isWarning: false }];
  const file = { name: ".tatara.yml", text: "retain: a\n", problems };

  const message = { state: "failed" as const, reason: "bad", failure: null, packages: [], file };
  await store.write((tx) => endJob(tx, lease.jobId, lease.token, message));

  expect(await view()).toMatchObject({ state: "failed", file, guess: null });
});

test("a planned file is kept with its warnings, whatever is said of it later", async () => {
  await using opened = await aStore();
  const { store } = opened;
  const { lease, view } = await claimed(store);
  const file = { name: ".tatara.yml", text: "test: make\n" };
  const plan = aPlanMessage(aPipeline({ tests: [aTest()] }), { file, warnings: [WARNING] });

  await store.write((tx) => recordPlan(tx, lease, plan, SERVER));
  const other = { name: ".tatara.yml", text: "other", problems: [] };
  const end = { state: "failed" as const, reason: null, failure: null, packages: [], file: other };
  await store.write((tx) => endJob(tx, lease.jobId, lease.token, end));

  expect((await view())?.file).toEqual({ ...file, problems: [WARNING] });
});

test("a guess can be seen as a file", async () => {
  await using opened = await aStore();
  const { store } = opened;
  const { lease, view } = await claimed(store);
  const guess = guessPipeline(
    treeOf({ files: { Dockerfile: "FROM debian AS test\n", "rpm/hello.spec": "" } }),
  );
  if (!("pipeline" in guess)) throw new Error("Nothing was guessed.");
  const plan = aPlanMessage(guess.pipeline, { file: null, note: guess.note });

  await store.write((tx) => recordPlan(tx, lease, plan, SERVER));

  expect(await view()).toMatchObject({
    file: null,
    guess: expect.stringMatching(/^image: \.\/Dockerfile\ntest:[^]*\npackage: rpm\/hello\.spec\n/),
  });
});
