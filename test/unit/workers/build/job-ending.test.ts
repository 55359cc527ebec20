import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { InfraFault } from "../../../../src/domain/faults.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import { FILES, MADE, scriptedJobs } from "../../../support/scripted-jobs.ts";
import { until } from "../../../support/until.ts";

const { setUp, expectNothingLeft } = scriptedJobs();

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

test("a disk that takes nothing of an attempt ends it with a fault, told before anything is begun", async () => {
  const engine = scriptedEngine();
  const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  const openJournal = () => Promise.reject(full);
  const { rig, grant } = await setUp(engine, FILES, {}, { openJournal });

  const told = await rig.run(grant);

  expect(told.fault).toMatchObject({ code: "DISK_FULL", step: null });
  expect(engine.history()).toEqual([]);
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

test("a job over its time fails, at whatever step it is, and leaves nothing", async () => {
  const engine = scriptedEngine({ unit: { how: "hangs" }, lint: { how: "hangs" } });
  const { rig, grant } = await setUp(engine, undefined, {}, { jobTimeoutMs: 400 });

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({ state: "failed", failure: { code: "STEP_TIMEOUT" } });
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

test("a server that has lost the end of a log by the end of the job gets it before it takes that", async () => {
  const engine = scriptedEngine({ package: MADE });
  const { rig, grant } = await setUp(engine);
  const { server } = rig;
  const had = new Map<string, string>();
  server.onRequest = (path) => {
    if (!path.endsWith("/end") || had.size > 0) return;
    for (const [log, bytes] of server.told(grant.jobId).logs) {
      had.set(log, bytes.toString());
      server.told(grant.jobId).logs.set(log, bytes.subarray(0, bytes.length / 2));
    }
  };

  const told = await rig.run(grant);

  expect(had.size).toBeGreaterThan(0);
  expect(new Map([...told.logs].map(([log, bytes]) => [log, bytes.toString()]))).toEqual(had);
  expect(told.end).toMatchObject({ state: "passed" });
  await expectNothingLeft(engine);
});

test("a server that loses logs again and again gets the end all the same", async () => {
  const engine = scriptedEngine({ package: MADE });
  const { rig, grant } = await setUp(engine);
  const { server } = rig;
  server.onRequest = (path) => {
    if (path.endsWith("/end")) server.told(grant.jobId).logs.clear();
  };

  const told = await rig.run(grant);

  expect(told.end).toMatchObject({ state: "passed" });
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
  expect(rig.complaints).toEqual([
    "Job handed back: the server gives it to another attempt, nothing is lost",
  ]);
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

test("a worker that is stopped while the server is away ends all the same, and leaves nothing", async () => {
  const engine = scriptedEngine({ unit: { how: "hangs", output: ["never sent\n"] } });
  const { rig, grant } = await setUp(engine);

  const running = rig.run(grant);
  await until(() => engine.history().includes("open unit"), true);
  rig.server.failing = () => true;
  rig.stopWorker();
  await running;

  expect(rig.complaints).toEqual(["Job not handed back"]);
  await expectNothingLeft(engine);
});

test("a log that cannot be kept ends the attempt with a fault", async () => {
  const engine = scriptedEngine({ unit: { output: ["x\n"] } });
  const { rig, grant } = await setUp(engine);
  // Where the log's file would be there is a folder.
  await mkdir(join(rig.dir, "jobs", `${grant.jobId}-1`, "unit.log"), { recursive: true });

  const told = await rig.run(grant);

  expect(told.end).toBeUndefined();
  expect(told.fault).toMatchObject({
    code: "INTERNAL",
    message: expect.stringContaining("EISDIR"),
  });
  await expectNothingLeft(engine);
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
    secrets: [{ name: "TOKEN", value: "s3cret-value" }],
  });

  expect(told.end?.state).toBe("passed");
  expect(told.logs.get("unit")?.toString()).toBe("Basic ***\n***\n***\n");
});
