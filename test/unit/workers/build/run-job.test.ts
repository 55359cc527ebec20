import { expect, test } from "vitest";
import { UserFault } from "../../../../src/domain/faults.ts";
import { planJobs } from "../../../../src/domain/plan-jobs.ts";
import { jobSpecMessage } from "../../../../src/shared/job-spec-message.ts";
import { aPipeline, aTest, planFacts } from "../../../support/a-pipeline.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import { FILES, MADE, scriptedJobs } from "../../../support/scripted-jobs.ts";

const RPMBUILD = { files: { "/usr/bin/rpmbuild": "" } };

const { setUp, expectNothingLeft } = scriptedJobs();

test("a job whose steps pass ends passed, with its plan, its logs and its packages at the server", async () => {
  const engine = scriptedEngine({ unit: { output: ["ok 1\n"] }, package: MADE });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({ state: "passed", failure: null });
  expect(told.end?.packages.map(({ fileName }) => fileName)).toEqual(["hello-1.0-1.x86_64.rpm"]);
  expect([...told.artifacts.values()].map(String)).toEqual(["an rpm"]);
  expect(told.plan?.file).toMatchObject({ name: ".tatara.yml" });
  expect(told.plan?.pipeline.projects[0]?.tests.map(({ name }) => name)).toEqual(["unit", "lint"]);
  expect(told.logs.get("unit")?.toString()).toBe("ok 1\n");
  expect([...told.ended].map(([name, { state }]) => `${name} ${state}`).toSorted()).toEqual([
    "checkout passed",
    "image passed",
    "lint passed",
    "package passed",
    "unit passed",
  ]);
  await expectNothingLeft(engine);
  expect(rig.complaints).toEqual([]);
});

test("a failed test fails the job with its card; other tests go on, nothing of the package is seen", async () => {
  const engine = scriptedEngine({
    unit: { code: 3, output: ["not ok 2 - greets an empty name\n", "  at a.c:1\n"] },
    lint: { lastsMs: 100, output: ["clean\n"] },
    package: MADE,
  });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({ state: "failed", packages: [] });
  expect(told.end?.failure).toMatchObject({
    code: "STEP_FAILED",
    step: "unit",
    file: "a.c",
    line: 1,
    kind: "code",
  });
  expect(told.ended.get("unit")).toMatchObject({ state: "failed", failure: { exitCode: 3 } });
  expect(told.ended.get("lint")).toMatchObject({ state: "passed" });
  expect(told.logs.get("lint")?.toString()).toBe("clean\n");
  expect(told.ended.get("package")).toMatchObject({ state: "skipped", startedAt: null });
  // rpmbuild worked beside the tests, and is dropped without a trace.
  expect(engine.history()).toContain("open package");
  expect(told.logs.get("package")).toBeUndefined();
  await expectNothingLeft(engine, ["unit"]);
});

test("of several failed tests the first of the file is the job's failure", async () => {
  const engine = scriptedEngine({ unit: { code: 1, lastsMs: 50 }, lint: { code: 1 } });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.end?.failure?.step).toBe("unit");
  expect(told.ended.get("lint")?.state).toBe("failed");
});

test.each([
  [{ how: "out-of-memory" }, "OUT_OF_MEMORY", "unit used its 512 MiB of memory"],
  [{ how: "over-time" }, "STEP_TIMEOUT", "unit ran longer than 4 min"],
  [{ how: "silent" }, "STEP_SILENT", "unit printed nothing for 4 min"],
] as const)(
  "a test that ends %j fails the job and leaves nothing behind",
  async (script, code, title) => {
    const engine = scriptedEngine({ unit: script });
    const { rig, grant } = await setUp(engine);

    const told = await rig.run(grant);

    expect(told.end).toMatchObject({ state: "failed", failure: { code, title, step: "unit" } });
    await expectNothingLeft(engine, ["unit"]);
  },
);

test("a bad pipeline file fails the job with every problem, and no plan is recorded", async () => {
  const engine = scriptedEngine();
  const { rig, grant } = await setUp(engine, { ".tatara.yml": "tests: make\npublish: dev\n" });

  const told = await rig.run(grant);

  expect(told.plan).toBeUndefined();
  expect(told.end).toMatchObject({
    state: "failed",
    failure: { code: "PIPELINE_FILE_INVALID", file: ".tatara.yml" },
  });
  expect(told.end?.failure?.problems).toContain('did you mean "test"?');
  expect(told.end?.file).toMatchObject({
    name: ".tatara.yml",
    text: "tests: make\npublish: dev\n",
    problems: [
      { code: "KEY_UNKNOWN", line: 1 },
      { code: "PUBLISH_NOTHING", line: 2 },
    ],
  });
  await expectNothingLeft(engine);
});

test("a plan that the server refuses fails the job with the server's words", async () => {
  const engine = scriptedEngine();
  const { rig, grant } = await setUp(engine);
  rig.server.refusal = {
    code: "CHANNEL_UNKNOWN",
    message: 'no channel "prod"',
    hint: "channels: dev",
  };

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({
    state: "failed",
    failure: { code: "CHANNEL_UNKNOWN", title: 'no channel "prod"', hint: "channels: dev" },
  });
  await expectNothingLeft(engine);
});

test("a commit with nothing to build says so with its plan", async () => {
  const engine = scriptedEngine();
  const { rig, grant } = await setUp(engine, { "README.md": "hello\n" });

  const told = await rig.run(grant);

  expect(told.plan?.nothingToDo).toContain("nothing to build");
  expect(told.end).toBeUndefined();
  expect(told.fault).toBeUndefined();
  await expectNothingLeft(engine);
});

test("a job that was planned before is run as it is, and no plan is sent", async () => {
  const engine = scriptedEngine();
  const pipeline = aPipeline({ tests: [aTest({ name: "other" })] });
  const [job] = planJobs(pipeline, planFacts()).jobs;
  const { rig, grant } = await setUp(engine, FILES, { job: jobSpecMessage.parse(job?.spec) });

  const told = await rig.run(grant);

  expect(told.plan).toBeUndefined();
  expect([...told.ended.keys()]).toEqual(["checkout", "image", "other"]);
  expect(told.end?.state).toBe("passed");
});

test("a failed image build names the line of the Dockerfile", async () => {
  const build = {
    kind: "failed",
    message: "boom",
    exitCode: 2,
    instruction: "RUN make deps",
  } as const;
  const engine = scriptedEngine({
    image: { build, output: ["Step 2/2 : RUN make deps\n", "no rule\n"] },
  });
  const { rig, grant } = await setUp(engine, {
    ...FILES,
    Dockerfile: "FROM x\n\nRUN make \\\n  deps\n",
  });

  const told = await rig.run(grant);

  expect(told.end?.failure).toMatchObject({
    code: "IMAGE_BUILD_FAILED",
    step: "image",
    title: "./Dockerfile:3 `RUN make deps` exited 2",
    file: "Dockerfile",
    line: 3,
  });
  await expectNothingLeft(engine);
});

test("an image that does not exist is the user's fault, and the step's log says what to do", async () => {
  const fault = new UserFault("IMAGE_UNKNOWN", 'There is no image "nope".', {
    hint: "Check its name.",
  });
  const engine = scriptedEngine({ image: { build: fault } });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({
    state: "failed",
    failure: { code: "IMAGE_UNKNOWN", hint: "Check its name." },
  });
  expect(told.logs.get("image")?.toString()).toContain("There is no image");
});

test("a spec that makes no package fails the job", async () => {
  const engine = scriptedEngine({ "package-probe": RPMBUILD });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({
    state: "failed",
    failure: { code: "NO_PACKAGES", file: "hello.spec" },
  });
  await expectNothingLeft(engine);
});
