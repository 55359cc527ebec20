import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Pipeline } from "../../../../src/domain/pipeline.ts";
import { planJobs } from "../../../../src/domain/plan-jobs.ts";
import { jobSpecMessage } from "../../../../src/shared/job-spec-message.ts";
import type { BuildGrant } from "../../../../src/shared/build-messages.ts";
import {
  aPackageStep,
  aPipeline,
  aTest,
  dockerfile,
  named,
  planFacts,
} from "../../../support/a-pipeline.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import { FILES, MADE, scriptedJobs } from "../../../support/scripted-jobs.ts";
import { until } from "../../../support/until.ts";
import type { Told } from "../../../support/build-server.ts";

const { setUp, expectNothingLeft } = scriptedJobs();
const COMMIT = { ...FILES, "Dockerfile.unit": "FROM y\n", "a.spec": "Name: a\nVersion: 1.0\n" };

/** The job of a pipeline, as the server grants it. */
function granted(pipeline: Pipeline, index = 0): Partial<BuildGrant> {
  return { job: jobSpecMessage.parse(planJobs(pipeline, planFacts()).jobs[index]?.spec) };
}

function states({ ended }: Told): Readonly<Record<string, string>> {
  return Object.fromEntries([...ended].map(([step, { state }]) => [step, state]));
}

test("tests run in their own images, and building one may be the whole test", async () => {
  const engine = scriptedEngine();
  const tests = [
    aTest({ name: "unit", image: dockerfile("Dockerfile.unit") }),
    aTest({ name: "lint", image: named("linter:1") }),
    aTest({ name: "smoke", run: null }),
  ];
  const pipeline = aPipeline({ image: dockerfile(), tests });
  const { rig, grant } = await setUp(engine, COMMIT, granted(pipeline));

  const told = await rig.run(grant);

  expect(states(told)).toEqual({
    checkout: "passed",
    image: "passed",
    "image-unit": "passed",
    unit: "passed",
    lint: "passed",
    smoke: "passed",
  });
  expect(told.ended.get("smoke")).toMatchObject({ note: "its image was built" });
  expect(engine.history()).not.toContain("create smoke");
  expect(engine.history()).toContain("build image-unit");
  await expectNothingLeft(engine);
});

test("an image that cannot be built stops the tests in it, and no others", async () => {
  const build = { kind: "failed", message: "no", exitCode: 1, instruction: null } as const;
  const engine = scriptedEngine({ "image-unit": { build } });
  const tests = [
    aTest({ name: "unit", image: dockerfile("Dockerfile.unit") }),
    aTest({ name: "lint" }),
  ];
  const packages = [aPackageStep()];
  const pipeline = aPipeline({ image: dockerfile(), tests, packages });
  const { rig, grant } = await setUp(engine, COMMIT, granted(pipeline));

  const told = await rig.run(grant);

  expect(states(told)).toMatchObject({
    "image-unit": "failed",
    unit: "skipped",
    lint: "passed",
    package: "skipped",
  });
  expect(told.ended.get("unit")).toMatchObject({ note: "image-unit did not pass" });
  expect(told.end).toMatchObject({
    state: "failed",
    failure: { code: "IMAGE_BUILD_FAILED", step: "image-unit" },
  });
});

test("a package is made once all that must pass has, whatever became of what may fail", async () => {
  const engine = scriptedEngine({ flaky: { code: 1 }, package: MADE });
  const tests = [
    aTest({ name: "flaky", allowFailure: true }),
    aTest({ name: "after", needs: ["flaky"] }),
    aTest({ name: "unit" }),
  ];
  const pipeline = aPipeline({ tests, packages: [aPackageStep()] });
  const { rig, grant } = await setUp(engine, COMMIT, granted(pipeline));

  const told = await rig.run(grant);

  expect(states(told)).toMatchObject({
    flaky: "failed",
    after: "skipped",
    unit: "passed",
    package: "passed",
  });
  expect(told.end).toMatchObject({ state: "passed", failure: null });
  expect(told.end?.packages).toHaveLength(1);
});

test("a test begins once the command of the one before has passed, not its container's end", async () => {
  const lingers = Promise.withResolvers<void>();
  const engine = scriptedEngine({ unit: { lingers: lingers.promise } });
  const tests = [aTest({ name: "unit" }), aTest({ name: "e2e", needs: ["unit"] })];
  const { rig, grant } = await setUp(engine, COMMIT, granted(aPipeline({ tests })));

  const running = rig.run(grant);
  await until(() => engine.history().includes("open e2e"), true);
  lingers.resolve();
  const told = await running;

  expect(states(told)).toMatchObject({ unit: "passed", e2e: "passed" });
  expect(told.end?.state).toBe("passed");
});

test("a test waits for the whole end of one that keeps files for it", async () => {
  const lingers = Promise.withResolvers<void>();
  const files = { "/workspace/dist/made": "x" };
  const engine = scriptedEngine({ unit: { lingers: lingers.promise, files }, lint: {} });
  const keep = { files: ["dist/**"], expiresMs: 60_000, after: "passed" } as const;
  const tests = [
    aTest({ name: "unit", keep }),
    aTest({ name: "e2e", needs: ["unit"] }),
    aTest({ name: "lint", needs: [] }),
  ];
  const { rig, grant } = await setUp(engine, COMMIT, granted(aPipeline({ tests })));

  const running = rig.run(grant);
  await until(() => rig.server.told(grant.jobId).ended.has("lint"), true);
  expect(engine.history()).not.toContain("create e2e");
  lingers.resolve();
  const told = await running;

  expect(states(told)).toMatchObject({ unit: "passed", e2e: "passed", lint: "passed" });
});

test("a command's own word that it passed never makes a step pass that the engine saw fail", async () => {
  const engine = scriptedEngine({ unit: { said: 0, code: 3 }, package: MADE });
  const tests = [aTest({ name: "unit" }), aTest({ name: "e2e", needs: ["unit"] })];
  const pipeline = aPipeline({ tests, packages: [aPackageStep()] });
  const { rig, grant } = await setUp(engine, COMMIT, granted(pipeline));

  const told = await rig.run(grant);

  expect(states(told)).toMatchObject({ unit: "failed", package: "skipped" });
  expect(told.end).toMatchObject({ state: "failed", failure: { step: "unit" } });
});

test("the card of several failed steps is the first one's and names the others", async () => {
  const engine = scriptedEngine({
    "unit-20": { code: 3 },
    "unit-22": { code: 3 },
    lint: { code: 4 },
  });
  const tests = [
    aTest({
      name: "unit",
      matrix: { variables: [{ name: "node", values: ["20", "22"] }], except: [] },
    }),
    aTest({ name: "lint", allowFailure: true }),
  ];
  const pipeline = aPipeline({ tests, packages: [] });
  const { rig, grant } = await setUp(engine, COMMIT, granted(pipeline));

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({
    failure: {
      step: "unit-20",
      title: "unit (node 20) exited 3",
      also: [{ title: "unit (node 22) exited 3", logLine: null }],
    },
  });
});

test("a step that the plan leaves out is told with its reason", async () => {
  const engine = scriptedEngine();
  const only = {
    branches: ["next"],
    tags: null,
    pullRequests: null,
    schedule: null,
    paths: null,
  };
  const tests = [aTest({ name: "unit" }), aTest({ name: "e2e", only })];
  const { rig, grant } = await setUp(engine, COMMIT, granted(aPipeline({ tests })));

  const told = await rig.run(grant);

  expect(told.ended.get("e2e")).toMatchObject({ state: "skipped", startedAt: null });
  expect(told.ended.get("e2e")).toMatchObject({ note: expect.stringMatching(/./) });
  expect(told.end?.state).toBe("passed");
});

test("a job that only packages has the files that tests kept in another job", async () => {
  const engine = scriptedEngine({ package: MADE });
  const sha256 = createHash("sha256").update("kept").digest("hex");
  const keep = { files: ["dist/**"], expiresMs: 60_000, after: "passed" } as const;
  const pipeline = aPipeline({
    tests: [aTest({ name: "unit", keep })],
    packages: [aPackageStep({ for: ["el9", "el10"] })],
  });
  const { rig, grant } = await setUp(engine, COMMIT, granted(pipeline, 1));
  rig.server.keptElsewhere = [{ path: "dist/made", sizeBytes: 4, sha256, isExecutable: false }];
  rig.server.told("").artifacts.set(sha256, Buffer.from("kept"));

  const told = await rig.run(grant);

  expect(told.fault).toBeUndefined();
  expect(engine.history().some((one) => one.startsWith("workspace package"))).toBe(true);
  expect(told.end?.state).toBe("passed");
});

test("a job of another kind than this worker knows is never taken for one that passed", async () => {
  const engine = scriptedEngine();
  const { rig, grant } = await setUp(engine, COMMIT, granted(aPipeline()));
  if (grant.job === null) throw new Error();

  const told = await rig.run({ ...grant, job: { ...grant.job, kind: "verify" } });

  expect(told.end?.state).not.toBe("passed");
});
