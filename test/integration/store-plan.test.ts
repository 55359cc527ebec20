import { expect, test } from "vitest";
import type { Pipeline } from "../../src/domain/pipeline.ts";
import { expireQueuedJobs, reportFault } from "../../src/server/store/attempts.ts";
import { cancelBuild, findBuild } from "../../src/server/store/builds.ts";
import { passedAt } from "../../src/server/store/build-grants.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { readStore } from "../../src/server/store/read.ts";
import { specOf } from "../../src/server/store/stored-plan.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { PlanMessage } from "../../src/shared/build-messages.ts";
import {
  aMonorepo,
  aPackageStep,
  aPipeline,
  aPlanMessage,
  aRule,
  aTest,
  anOnly,
} from "../support/a-pipeline.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { SERVER, aRunningJob, accept } from "../support/store-rig.ts";

const view = async (store: Store, id: string) => {
  const build = await readStore(store, { liveSince: () => 0 }).buildById(id);
  if (build === undefined) throw new Error("No such build.");
  return build;
};

const told = async (store: Store, id: string) =>
  (await view(store, id)).jobs.map(({ name, state, reason }) =>
    reason === null ? `${name} ${state}` : `${name} ${state}: ${reason}`,
  );

/** A build whose plan was sent by a worker of this architecture. */
async function planned(
  store: Store,
  pipeline: Pipeline,
  {
    arch,
    push = aPush(),
    ...more
  }: Partial<PlanMessage> & { arch?: string; push?: ReturnType<typeof aPush> } = {},
) {
  const { made } = await accept(store, push);
  const token = `token-${made?.build.id}`;
  const granted = await store.write((tx) => claimJob(tx, "w1", token, { arch }));
  if (made === undefined || granted === undefined) throw new Error("Nothing was granted.");
  const message = aPlanMessage(pipeline, more);
  const lease = { jobId: granted.job.id, token };
  const say = () => store.write((tx) => recordPlan(tx, lease, message, SERVER));
  return { buildId: made.build.id, ...lease, recorded: await say(), say };
}

const end = (
  store: Store,
  { jobId, token }: { jobId: string; token: string },
  state: "passed" | "failed",
) =>
  store.write((tx) =>
    endJob(tx, jobId, token, { state, reason: null, failure: null, packages: [] }),
  );

let tokens = 0;
async function claim(store: Store, arch?: string) {
  const token = `t-${(tokens += 1)}`;
  const granted = await store.write((tx) => claimJob(tx, "w2", token, { arch }));
  return granted && { jobId: granted.job.id, token, name: granted.job.name, granted };
}

const TARGETS = aPipeline({
  tests: [aTest()],
  packages: [aPackageStep({ for: ["el9", "el10"] })],
});

test("the planning worker goes on with the first job; the others wait for it, then for nobody", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await planned(store, TARGETS);

  expect(first.recorded?.answer).toMatchObject({
    target: "el9.x86_64",
    job: { name: "el9.x86_64", tests: [{ step: "test" }] },
  });
  expect(await claim(store)).toBeUndefined();
  const ended = await end(store, first, "passed");

  const second = await claim(store);
  expect(second?.name).toBe("el10.x86_64");
  expect(ended?.queuedJobs).toEqual([second?.jobId]);
  expect(second && specOf(second.granted.job)?.packages).toMatchObject([{ step: "package" }]);
  expect((await findBuild(store, first.buildId))?.state).toBe("running");
  if (second) await end(store, second, "passed");
  expect((await findBuild(store, first.buildId))?.state).toBe("passed");
});

test("jobs that need a failed one are skipped, others go on to their end", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo([
    { name: "lib", path: "lib", tests: [aTest()] },
    { name: "app", path: "app", needs: ["lib"], tests: [aTest()] },
    { name: "web", path: "web", needs: ["app"], tests: [aTest()] },
    { name: "docs", path: "docs", tests: [aTest()] },
  ]);
  const first = await planned(store, pipeline);
  const docs = await claim(store);

  await end(store, first, "failed");

  expect(await told(store, first.buildId)).toEqual([
    "lib debian12.x86_64 failed",
    "app debian12.x86_64 skipped: lib debian12.x86_64 did not pass",
    "web debian12.x86_64 skipped: app debian12.x86_64 did not pass",
    "docs debian12.x86_64 running",
  ]);
  expect((await findBuild(store, first.buildId))?.state).toBe("running");
  if (docs) await end(store, docs, "passed");
  expect((await findBuild(store, first.buildId))?.state).toBe("failed");
});

test("the first failure's card is the build's, though its job ended before others", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo([
    { name: "a", path: "a", tests: [aTest()] },
    { name: "b", path: "b", tests: [aTest()] },
  ]);
  const first = await planned(store, pipeline);
  const second = await claim(store);
  const card = {
    kind: "code",
    code: "STEP_FAILED",
    step: "test",
    title: "test exited 1",
    excerpt: "",
    file: null,
    line: null,
    logLine: null,
    hint: null,
    confidence: "low",
    evidence: "last-lines",
    problems: null,
  } as const;
  const failed = { state: "failed" as const, reason: null, packages: [] };
  await store.write((tx) => endJob(tx, first.jobId, first.token, { ...failed, failure: card }));
  const later = { ...failed, failure: { ...card, title: "another" } };
  if (second) await store.write((tx) => endJob(tx, second.jobId, second.token, later));

  expect(await view(store, first.buildId)).toMatchObject({
    state: "failed",
    failure: { title: "test exited 1" },
  });
});

test("the same plan again is answered alike, another one is stale", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await planned(store, TARGETS);

  expect((await first.say())?.answer).toEqual(first.recorded?.answer);
  const other = aPlanMessage(aPipeline({ tests: [aTest()] }));
  expect(await store.write((tx) => recordPlan(tx, first, other, SERVER))).toBeUndefined();
  expect((await view(store, first.buildId)).jobs).toHaveLength(2);
});

test("a job goes to a worker of its architecture; one that says nothing may take any", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aPipeline({ packages: [aPackageStep({ for: ["el9"], arch: ["aarch64"] })] });
  const first = await planned(store, pipeline, { arch: "x86_64" });

  expect(first.recorded?.answer.job).toBeNull();
  expect(await claim(store, "x86_64")).toBeUndefined();
  const granted = await claim(store, "aarch64");
  expect(granted).toMatchObject({ jobId: first.jobId, name: "el9.aarch64" });
  // Nobody lost the attempt that only planned.
  expect(granted?.granted.job).toMatchObject({ attempt: 2, countedAttempts: 1 });
  expect((await first.say())?.answer).toBeUndefined();
});

test("a planning worker takes the first job that is for its architecture", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo([
    { name: "arm", path: "arm", packages: [aPackageStep({ for: ["el9"], arch: ["aarch64"] })] },
    { name: "pc", path: "pc", packages: [aPackageStep({ for: ["el9"] })] },
  ]);
  const first = await planned(store, pipeline, { arch: "x86_64" });

  expect(first.recorded?.answer.job?.name).toBe("pc el9.x86_64");
  expect((await claim(store, "aarch64"))?.name).toBe("arm el9.aarch64");
  expect((await view(store, first.buildId)).jobs.map(({ name }) => name)).toEqual([
    "arm el9.aarch64",
    "pc el9.x86_64",
  ]);
});

test("a build of which no project is concerned is skipped with success, and says why", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo(["a", "b"].map((name) => ({ name, path: name, tests: [aTest()] })));
  const none = await planned(store, pipeline, { changes: { a: ["LICENSE"], b: ["LICENSE"] } });

  expect(none.recorded?.answer.job).toBeNull();
  const reason = "0 of 2 projects ran: no changed file concerns it";
  expect(await findBuild(store, none.buildId)).toMatchObject({ state: "skipped", reason });
  expect(await store.write(claimStatuses)).toMatchObject([
    { state: "success", description: reason },
  ]);

  const some = await planned(store, pipeline, { changes: { a: ["LICENSE"], b: ["b/x"] } });
  expect(some.recorded?.answer.job?.name).toBe("b debian12.x86_64");
  await end(store, some, "passed");
  const [said] = await store.write(claimStatuses);
  expect(said).toMatchObject({ state: "success", description: "passed; 1 of 2 projects ran" });
});

test("what `when` leaves out is skipped, and steps that `only` leaves out say why", async () => {
  await using held = await aStore();
  const { store } = held;
  const push = aPush({ ref: "refs/tags/v1" });
  const tagged = aPipeline(
    { tests: [aTest()] },
    { when: { ...anOnly({ branches: ["main"] }), schedule: [] } },
  );
  const left = await planned(store, tagged, { push });
  expect(await findBuild(store, left.buildId)).toMatchObject({
    state: "skipped",
    reason: "not on tags",
  });

  const pipeline = aPipeline({
    tests: [aTest(), aTest({ name: "e2e", only: anOnly({ tags: ["v*"] }) })],
  });
  const some = await planned(store, pipeline);
  const steps = (await view(store, some.buildId)).jobs[0]?.steps;
  expect(steps?.find(({ name }) => name === "e2e")).toMatchObject({
    state: "skipped",
    note: "not on branches",
  });
});

test("a worker lost for good skips what waited for it; a cancel ends all that waits", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await planned(store, TARGETS);
  const fault = { code: "ENGINE_FAILED", message: "no space", step: "test" } as const;
  await store.write((tx) => reportFault(tx, first.jobId, first.token, fault));
  for (let attempt = 2; attempt <= 3; attempt += 1) {
    held.advance(3_600_000);
    const again = await claim(store);
    if (again) await store.write((tx) => reportFault(tx, again.jobId, again.token, fault));
  }

  expect(await told(store, first.buildId)).toEqual([
    "el9.x86_64 errored: no space",
    "el10.x86_64 skipped: el9.x86_64 did not pass",
  ]);
  expect(await findBuild(store, first.buildId)).toMatchObject({ state: "errored" });

  const second = await planned(store, TARGETS);
  await store.write((tx) => cancelBuild(tx, second.buildId, "admin"));
  await end(store, second, "passed");
  expect(await findBuild(store, second.buildId)).toMatchObject({ state: "cancelled" });
  expect((await view(store, second.buildId)).jobs.map(({ state }) => state)).toEqual([
    "cancelled",
    "cancelled",
  ]);
});

test("a job that waits for another one is not given up for want of a worker", async () => {
  await using held = await aStore();
  const { store } = held;
  const dayMs = 24 * 3_600_000;
  const first = await planned(store, TARGETS);
  held.advance(dayMs + 1);

  expect(await store.write((tx) => expireQueuedJobs(tx, dayMs))).toEqual([]);
  await end(store, first, "passed");
  expect(await store.write((tx) => expireQueuedJobs(tx, dayMs))).toEqual([]);
  expect((await claim(store))?.name).toBe("el10.x86_64");
});

test("a job that its planner left to another machine waits a whole day for that", async () => {
  await using held = await aStore();
  const { store } = held;
  const dayMs = 24 * 3_600_000;
  await accept(store);
  held.advance(dayMs - 1_000);
  const token = "planner-token";
  const granted = await store.write((tx) => claimJob(tx, "w1", token, { arch: "x86_64" }));
  const pipeline = aPipeline({ packages: [aPackageStep({ for: ["el9"], arch: ["aarch64"] })] });
  const lease = { jobId: granted?.job.id ?? "", token };
  await store.write((tx) => recordPlan(tx, lease, aPlanMessage(pipeline), SERVER));

  held.advance(dayMs - 1_000);

  expect(await store.write((tx) => expireQueuedJobs(tx, dayMs))).toEqual([]);
  expect((await claim(store, "aarch64"))?.name).toBe("el9.aarch64");
});

test("a project is compared with the newest commit for which it passed on its branch", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo(["a", "b"].map((name) => ({ name, path: name, tests: [aTest()] })));
  const shas: string[] = [];
  // Both pass; then a fails; then only a runs, and nothing else is told of b.
  for (const states of [
    { a: "passed", b: "passed" },
    { a: "failed", b: "passed" },
    { a: "failed" },
  ] as const) {
    const push = aPush();
    shas.push(push.after);
    const changes = "b" in states ? {} : { changes: { a: null, b: [] } };
    const first = await planned(store, pipeline, { push, ...changes });
    const second = "b" in states ? await claim(store) : undefined;
    await end(store, first, states.a);
    if (second) await end(store, second, "passed");
  }
  const { made } = await accept(store);
  const other = await accept(store, aPush({ ref: "refs/heads/topic" }));

  if (made === undefined || other.made === undefined) throw new Error("No build.");
  expect(await passedAt(store, made.build)).toEqual({ a: shas[0], b: shas[1] });
  expect(await passedAt(store, other.made.build)).toEqual({});
});

test("a project whose packages were never published did not pass, whatever its own jobs say", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo([
    { name: "a", path: "a", packages: [aPackageStep()], publish: [aRule()] },
    { name: "b", path: "b", tests: [aTest()] },
  ]);
  const push = aPush();
  const first = await planned(store, pipeline, { push });
  const second = await claim(store);
  const rpm = { fileName: "a-1-1.noarch.rpm", sha256: "a".repeat(64), sizeBytes: 1 };
  const packages = [{ ...rpm, target: SERVER.defaultTarget }];
  const ok = { state: "passed" as const, reason: null, failure: null };
  await store.write((tx) => endJob(tx, first.jobId, first.token, { ...ok, packages }));

  // While the rest of the build is under way, and after it has failed: nothing of it is published.
  const { made: during } = await accept(store);
  if (during === undefined || second === undefined) throw new Error("No build.");
  expect(await passedAt(store, during.build)).toEqual({});
  await end(store, second, "failed");
  expect(await passedAt(store, during.build)).toEqual({});
  expect(await findBuild(store, first.buildId)).toMatchObject({ state: "failed" });
});

test("projects of one build may publish to different channels", async () => {
  await using held = await aStore();
  const { store } = held;
  const pipeline = aMonorepo([
    { name: "a", path: "a", packages: [aPackageStep({ label: "a" })], publish: [aRule()] },
    {
      name: "b",
      path: "b",
      packages: [aPackageStep({ label: "b" })],
      publish: [aRule(), aRule({ channel: "testing" })],
    },
  ]);
  const first = await planned(store, pipeline);
  const second = await claim(store);
  const rpm = (name: string, digit: string) => ({
    fileName: `${name}-1-1.noarch.rpm`,
    sha256: digit.repeat(64),
    sizeBytes: 1,
    target: SERVER.defaultTarget,
  });
  const passed = { state: "passed" as const, reason: null, failure: null };
  await store.write((tx) =>
    endJob(tx, first.jobId, first.token, { ...passed, packages: [rpm("a", "a")] }),
  );
  if (second === undefined) throw new Error("No second job.");
  const made = await store.write((tx) =>
    endJob(tx, second.jobId, second.token, { ...passed, packages: [rpm("b", "b")] }),
  );

  const row = await store.db
    .selectFrom("publishes")
    .selectAll()
    .where("id", "=", made?.publishId ?? "")
    .executeTakeFirstOrThrow();
  expect(row.purpose).toBe("final");
  expect(JSON.parse(row.channelsJson)).toEqual(["dev", "testing"]);
  expect(JSON.parse(row.requestJson ?? "")).toEqual({
    channelsOf: { ["a".repeat(64)]: ["dev"], ["b".repeat(64)]: ["dev", "testing"] },
  });
});

test("a running job is planned by the next attempt when its first worker died before the plan", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store, { isPlanned: false });
  const fault = { code: "CANNOT_FETCH", message: "no answer", step: "checkout" } as const;
  await store.write((tx) => reportFault(tx, jobId, token, fault));
  held.advance(3_600_000);

  const again = await claim(store);

  expect(again && specOf(again.granted.job)).toBeNull();
  const lease = { jobId, token: again?.token ?? "" };
  await store.write((tx) => recordPlan(tx, lease, aPlanMessage(TARGETS), SERVER));
  expect((await view(store, buildId)).jobs).toHaveLength(2);
});
