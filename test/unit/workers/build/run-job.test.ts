import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { InfraFault, UserFault } from "../../../../src/domain/faults.ts";
import type { BuildGrant } from "../../../../src/shared/protocol.ts";
import { startBuildRig } from "../../../support/build-rig.ts";
import type { BuildRig } from "../../../support/build-rig.ts";
import { createRepo } from "../../../support/git-host.ts";
import type { Files } from "../../../support/git-host.ts";
import type { PushToTell } from "../../../support/github-deliveries.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import type { ScriptedEngine, StepScript } from "../../../support/scripted-engine.ts";
import { until } from "../../../support/until.ts";

const SPEC = "Name: hello\nVersion: 1.0\n";
const PIPELINE =
  "image: ./Dockerfile\ntest:\n  unit: make unit\n  lint: make lint\npackage: hello.spec\n";
const FILES: Files = {
  Dockerfile: "FROM x\n",
  "hello.spec": SPEC,
  ".tatara.yml": PIPELINE,
  "a.c": "int a;\n",
};
const RPM = "/tatara/out/hello-1.0-1.x86_64.rpm";
const MADE: StepScript = { files: { [RPM]: "an rpm" } };
const RPMBUILD = { files: { "/usr/bin/rpmbuild": "" } };

let gitDir: string;
const pushes = new Map<Files, Promise<PushToTell>>();
beforeAll(async () => {
  gitDir = await mkdtemp(join(tmpdir(), "tatara-repos-"));
});
afterAll(async () => {
  await rm(gitDir, { recursive: true });
});

let rig: BuildRig | undefined;
afterEach(async () => {
  await rig?.[Symbol.asyncDispose]();
  rig = undefined;
});

async function setUp(
  engine: ScriptedEngine,
  files: Files = FILES,
  changes: Partial<BuildGrant> = {},
): Promise<{ rig: BuildRig; grant: BuildGrant }> {
  rig = await startBuildRig(engine, { heartbeatMs: 20, gitDir });
  const push = pushes.get(files) ?? pushOf(files);
  pushes.set(files, push);
  return { rig, grant: rig.grantFor(await push, changes) };
}

/** A repo is the same for all tests that need these files. */
async function pushOf(files: Files): Promise<PushToTell> {
  const repo = await createRepo(gitDir, `acme/hello-${pushes.size}`, { files });
  return await repo.commit({ "new.txt": "x\n" });
}

async function expectNothingLeft(engine: ScriptedEngine): Promise<void> {
  expect(engine.leftovers()).toEqual([]);
  expect(await rig?.filesOfJobs()).toEqual([]);
}

test("a job whose steps pass ends passed, with its plan, its logs and its packages at the server", async () => {
  const engine = scriptedEngine({ unit: { output: ["ok 1\n"] }, package: MADE });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({ state: "passed", failure: null });
  expect(told.end?.packages.map(({ fileName }) => fileName)).toEqual(["hello-1.0-1.x86_64.rpm"]);
  expect([...told.artifacts.values()].map(String)).toEqual(["an rpm"]);
  expect(told.plan?.steps.map(({ name }) => name)).toEqual([
    "checkout",
    "image",
    "unit",
    "lint",
    "package",
  ]);
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

test("a failed test fails the job with its card; other tests go on, nothing is packaged", async () => {
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
  expect(told.ended.has("package")).toBe(false);
  expect(engine.history()).not.toContain("open package");
  await expectNothingLeft(engine);
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
  [{ how: "over-time" }, "STEP_TIMEOUT", "unit ran longer than 1 min"],
  [{ how: "silent" }, "STEP_SILENT", "unit printed nothing for 1 min"],
] as const)(
  "a test that ends %j fails the job and leaves nothing behind",
  async (script, code, title) => {
    const engine = scriptedEngine({ unit: script });
    const { rig, grant } = await setUp(engine);

    const told = await rig.run(grant);

    expect(told.end).toMatchObject({ state: "failed", failure: { code, title, step: "unit" } });
    await expectNothingLeft(engine);
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

test("a recorded plan is followed and not sent again", async () => {
  const engine = scriptedEngine();
  const plan = {
    image: { kind: "base" as const },
    tests: [{ name: "other", run: "true" }],
    spec: null,
    publish: null,
  };
  const { rig, grant } = await setUp(engine, FILES, { plan });

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

test.each(["createNetwork", "createWorkspace", "createContainer"] as const)(
  "an engine that cannot %s ends the attempt with a fault, not the build",
  async (call) => {
    const err = new InfraFault("ENGINE_UNAVAILABLE", "The engine does not answer.");
    const engine = scriptedEngine({}, { failing: (name) => (name === call ? err : undefined) });
    const { rig, grant } = await setUp(engine);

    const told = await rig.run(grant);

    expect(told.end).toBeUndefined();
    expect(told.fault).toMatchObject({ code: "ENGINE_UNAVAILABLE", message: err.message });
    await expectNothingLeft(engine);
  },
);

test("a container that the engine loses stops the other tests and ends the attempt with a fault", async () => {
  const engine = scriptedEngine({ unit: { how: "lost" }, lint: { how: "hangs" } });
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.fault).toMatchObject({ code: "ENGINE_FAILED", step: "unit" });
  expect(told.ended.get("unit")?.state).toBe("errored");
  expect(engine.history()).toContain("stop lint");
  await expectNothingLeft(engine);
});

test("a bug ends the attempt with the fault INTERNAL, and the operator hears of it", async () => {
  const engine = scriptedEngine(
    {},
    { failing: (name) => (name === "createWorkspace" ? new TypeError("oops") : undefined) },
  );
  const { rig, grant } = await setUp(engine);

  const told = await rig.run(grant);

  expect(told.fault).toMatchObject({ code: "INTERNAL", message: "oops" });
  expect(rig.complaints.join()).toContain("oops");
  await expectNothingLeft(engine);
});

test("a repo that cannot be fetched ends the attempt with a fault of the step checkout", async () => {
  const engine = scriptedEngine();
  const { rig, grant } = await setUp(engine);
  rig.git.answerWith = { status: 404 };

  const told = await rig.run(grant);

  expect(told.fault).toMatchObject({ code: "CANNOT_FETCH", step: "checkout" });
  expect(told.fault?.message).toContain("(404)");
  expect(told.steps).toEqual(["checkout running", "checkout errored"]);
  await expectNothingLeft(engine);
});

test("a cancelled job stops its containers and ends cancelled", async () => {
  const engine = scriptedEngine({ unit: { how: "hangs" }, lint: { how: "hangs" } });
  const { rig, grant } = await setUp(engine);

  const running = rig.run(grant);
  await until(() => engine.history().includes("start unit"), true);
  rig.server.cancelled = true;
  const told = await running;

  expect(told.end).toMatchObject({ state: "cancelled", failure: null });
  expect(engine.history()).toContain("stop unit");
  await expectNothingLeft(engine);
});

test("a job that is cancelled during the image build starts no test", async () => {
  const engine = scriptedEngine({ image: { how: "hangs" } });
  const { rig, grant } = await setUp(engine);

  const running = rig.run(grant);
  await until(() => engine.history().includes("build image"), true);
  rig.server.cancelled = true;
  const told = await running;

  expect(told.end?.state).toBe("cancelled");
  expect(engine.history()).not.toContain("create unit");
  await expectNothingLeft(engine);
});

test("a lost lease stops the containers, and the server hears nothing more", async () => {
  const engine = scriptedEngine({ unit: { how: "hangs" }, lint: { how: "hangs" } });
  const { rig, grant } = await setUp(engine);

  const running = rig.run(grant);
  await until(() => engine.history().includes("start unit"), true);
  rig.server.stale = true;
  const told = await running;

  expect(told.end).toBeUndefined();
  expect(told.fault).toBeUndefined();
  expect(told.isHandedBack).toBe(false);
  expect(engine.history()).toContain("stop unit");
  await expectNothingLeft(engine);
});

test("a worker that is stopped hands its job back and leaves nothing", async () => {
  const engine = scriptedEngine({ unit: { how: "hangs" }, lint: { how: "hangs" } });
  const { rig, grant } = await setUp(engine);

  const running = rig.run(grant);
  await until(() => engine.history().includes("start unit"), true);
  rig.stopWorker();
  const told = await running;

  expect(told.isHandedBack).toBe(true);
  expect(told.end).toBeUndefined();
  await expectNothingLeft(engine);
});

test("a server that is away for a while loses no step and no byte of log", async () => {
  const engine = scriptedEngine({
    unit: { output: ["one\n", "two\n"], lastsMs: 50 },
    package: MADE,
  });
  const { rig, grant } = await setUp(engine);
  let requests = 0;
  rig.server.failing = (path) => !path.endsWith("/claim") && (requests += 1) % 2 === 0;

  const told = await rig.run(grant);

  expect(told.end?.state).toBe("passed");
  expect(told.logs.get("unit")?.toString()).toBe("one\ntwo\n");
});

test("neither the clone credential nor a secret appears in a log, in any spelling", async () => {
  const password = "clone-pass-0123456789";
  const authorization = `Basic ${Buffer.from(`x:${password}`).toString("base64")}`;
  const said = [
    authorization,
    "\n",
    password.slice(0, 9),
    password.slice(9),
    "\n",
    "s3cret-value\n",
  ];
  const engine = scriptedEngine({ unit: { output: said }, package: MADE });
  const { rig, grant } = await setUp(engine);
  rig.git.credential = authorization;

  const told = await rig.run({
    ...grant,
    clone: { ...grant.clone, authorization },
    secrets: ["s3cret-value"],
  });

  expect(told.end?.state).toBe("passed");
  expect(told.logs.get("unit")?.toString()).toBe("Basic ***\n***\n***\n");
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
