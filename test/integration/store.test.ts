import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { LEASE_MS } from "../../src/domain/attempt.ts";
import type { PlanMessage, ReportAnswer } from "../../src/shared/protocol.ts";
import { cancelBuild, findBuild, makeReady, rerunBuild } from "../../src/server/store/builds.ts";
import { recordIgnored, recordPush } from "../../src/server/store/deliveries.ts";
import {
  expireLeases,
  expireQueuedJobs,
  loseAttemptsOf,
  handBackJob,
  reportFault,
} from "../../src/server/store/attempts.ts";
import { claimJob, endJob, recordPlan, recordStep } from "../../src/server/store/jobs.ts";
import { ourCard } from "../../src/server/store/job-rows.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { answerStatus, claimStatuses } from "../../src/server/store/outbox.ts";
import {
  expirePublishLeases,
  expireQueuedPublishes,
} from "../../src/server/store/publish-attempts.ts";
import {
  checkPackages,
  claimPublish,
  failPublish,
  switchChannels,
} from "../../src/server/store/publishes.ts";
import { readStore } from "../../src/server/store/read.ts";
import { openStore, type Store } from "../../src/server/store/store.ts";
import { openDatabase } from "../../src/server/store/database.ts";
import { aPush, anIntake, aStore } from "../support/a-store.ts";

const LIMITS = { waitingBuildsMax: 1_000 };
const PLAN: PlanMessage = {
  pipeline: {
    image: { kind: "base" },
    tests: [{ name: "test", run: "true" }],
    spec: "a.spec",
    publish: "dev",
  },
  steps: [
    { name: "checkout", kind: "checkout" },
    { name: "image", kind: "image" },
    { name: "test", kind: "test" },
    { name: "package", kind: "package" },
  ],
  commit: { subject: "a change", authorName: "Dev One", committedAt: 1 },
  note: null,
  nothingToDo: null,
};
const RPM = {
  fileName: "a-1-1.noarch.rpm",
  sha256: "1".repeat(64),
  sizeBytes: 10,
  target: "debian12.x86_64",
};

const accept = (store: Store, push = aPush(), named = {}) =>
  store.write((tx) => recordPush(tx, anIntake(push, named), LIMITS));

/** A push whose first job is claimed under `token`, planned or not. */
async function aRunningJob(store: Store, { token = "token-1", isPlanned = true } = {}) {
  const { made } = await accept(store);
  const granted = await store.write((tx) => claimJob(tx, "w1", token));
  if (made === undefined || granted === undefined) throw new Error("Nothing was granted.");
  const jobId = granted.job.id;
  if (isPlanned) {
    await store.write((tx) => recordPlan(tx, { jobId, token }, PLAN, "debian12.x86_64"));
  }
  return { buildId: made.build.id, jobId, token };
}

const passed = { state: "passed", reason: null, failure: null, packages: [RPM] } as const;

async function aRunningPublish(store: Store, token = "p-token") {
  const job = await aRunningJob(store);
  await store.write((tx) => endJob(tx, job.jobId, job.token, { ...passed, packages: [RPM] }));
  const granted = await store.write((tx) => claimPublish(tx, "p1", token));
  if (granted === undefined) throw new Error("No publish was granted.");
  return { ...job, publishId: granted.publish.id, granted };
}

const wish = (base: number, number: number) => ({
  generations: [{ channel: "dev", base, number, targets: { "debian12.x86_64": number } }],
  packages: [
    {
      nevra: { name: "a", epoch: 0, version: "1", release: "1", arch: "noarch" },
      summary: "A",
      license: "MIT",
      unsignedSha256: RPM.sha256,
      signedSha256: "2".repeat(64),
      sizeBytes: 12,
      fileName: RPM.fileName,
      target: "debian12.x86_64",
    },
  ],
  durationMs: 80,
  keyFingerprint: "AA",
});

test("a delivery that comes a hundred times at once makes one build", async () => {
  await using held = await aStore();
  const push = aPush();
  const named = { deliveryId: "d-1", bodyDigest: "x" };

  const answers = await Promise.all(
    Array.from({ length: 100 }, () => accept(held.store, push, named)),
  );

  expect(answers.filter(({ result }) => result.kind === "accepted")).toHaveLength(1);
  expect(answers.filter(({ result }) => result.kind === "duplicate")).toHaveLength(99);
  const { count } = await held.store.db
    .selectFrom("builds")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  expect(count).toBe(1);
});

test("the same body under a new delivery id is known, since the signature does not cover the id", async () => {
  await using held = await aStore();
  const push = aPush();
  await accept(held.store, push, { deliveryId: "d-1", bodyDigest: "same" });

  const { result } = await accept(held.store, push, { deliveryId: "d-2", bodyDigest: "same" });

  expect(result).toMatchObject({ kind: "duplicate", number: 1 });
});

test("the same push under another delivery leaves a row and no second build, unless the first one errored", async () => {
  await using held = await aStore();
  const { store } = held;
  const push = aPush();
  const first = await accept(store, push);

  const again = await accept(store, push);
  await store.db.updateTable("builds").set({ state: "errored" }).execute();
  const afterError = await accept(store, push);

  expect(again.result).toMatchObject({ kind: "duplicate", buildId: first.made?.build.id });
  expect(afterError.result).toMatchObject({ kind: "accepted", number: 2 });
  const rows = await store.db.selectFrom("deliveries").select("disposition").execute();
  expect(rows.map(({ disposition }) => disposition)).toEqual(["accepted", "duplicate", "accepted"]);
});

test("a delivery that was ignored is looked at again when it comes again", async () => {
  await using held = await aStore();
  const { store } = held;
  const push = aPush();
  const named = { deliveryId: "once", bodyDigest: "body" };
  const { forge, repo } = push;
  const facts = { forge, repo, event: "push", reason: "the repo is outside TATARA_REPOS" } as const;
  await store.write((tx) => recordIgnored(tx, { ...facts, ...named }));

  // The operator has changed the setting and pressed "Redeliver".
  const again = await accept(store, push, named);
  const third = await accept(store, push, named);

  expect(again.result).toMatchObject({ kind: "accepted", number: 1 });
  expect(third.result).toMatchObject({ kind: "duplicate", number: 1 });
});

test("one broken work of a group fails alone", async () => {
  await using held = await aStore();
  const { store } = held;
  const broken = store.write(() => Promise.reject(new Error("broken")));
  const sound = accept(store);

  await expect(broken).rejects.toThrow("broken");
  expect((await sound).result.kind).toBe("accepted");
});

test("a deleted branch is a skipped row without a status", async () => {
  await using held = await aStore();
  const { made } = await accept(held.store, aPush({ after: "0".repeat(40), sha: undefined }));

  expect(made?.build).toMatchObject({ state: "skipped", reason: "branch deleted", sha: null });
  expect(await held.store.write(claimStatuses)).toEqual([]);
});

test("what is over quota is a cancelled row with an error status, never a success", async () => {
  await using held = await aStore();
  const { store } = held;
  const record = () =>
    store.write((tx) => recordPush(tx, anIntake(aPush()), { waitingBuildsMax: 2 }));
  await record();
  await record();

  const third = await record();

  expect(third.made?.build).toMatchObject({ state: "cancelled" });
  expect(third.made?.build.reason).toMatch(/over quota/);
  const statuses = await store.write(claimStatuses);
  expect(statuses.find(({ sha }) => sha === third.made?.build.sha)?.state).toBe("error");
});

test("a push that asks for no build hides no failure of the same commit", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  await store.write((tx) => endJob(tx, jobId, token, { ...passed_(), state: "failed" }));
  const sha = (await findBuild(store, buildId))?.sha ?? "";

  const { made } = await accept(store, aPush({ after: sha, ref: "refs/heads/topic" }));

  expect(made?.build).toMatchObject({ state: "skipped", sha });
  expect(await store.write(claimStatuses)).toMatchObject([{ sha, state: "failure" }]);
});

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
  expect(await store.write((tx) => endJob(tx, jobId, token, passed_()))).toBeUndefined();
  expect((await findBuild(store, buildId))?.state).toBe("running");
});

function passed_() {
  return { ...passed, packages: [...passed.packages] };
}

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

  await store.write((tx) => loseAttemptsOf(tx, "w1"));
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
    store.write((tx) => recordPlan(tx, { jobId, token }, plan, "debian12.x86_64"));
  const other = { ...PLAN, pipeline: { ...PLAN.pipeline, publish: null } };

  expect(await say(PLAN)).toBeDefined();
  expect(await say(other)).toBeUndefined();
});

test("nothing to do ends the build skipped, with success on the commit", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store, { isPlanned: false });
  const plan = { ...PLAN, nothingToDo: "nothing to build" };

  await store.write((tx) => recordPlan(tx, { jobId, token }, plan, "debian12.x86_64"));

  expect(await findBuild(store, buildId)).toMatchObject({ state: "skipped" });
  expect(await store.write(claimStatuses)).toMatchObject([{ state: "success" }]);
});

test("a late running message never reopens a step", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  const say = (message: Parameters<typeof recordStep>[3]) =>
    store.write((tx) => recordStep(tx, { jobId, token }, "test", message));
  await say({ state: "passed", startedAt: 1, endedAt: 2, failure: null, note: null });

  await say({ state: "running", startedAt: 1 });

  const build = await readStore(store, { liveSince: () => 0 }).buildById(buildId);
  expect(build?.jobs[0]?.steps.find(({ name }) => name === "test")?.state).toBe("passed");
});

test("passed jobs with packages on the default branch ask for a publish; the build passes when it is live", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId, granted } = await aRunningPublish(store);

  expect(granted.channels).toEqual([{ name: "dev", head: 0 }]);
  expect((await findBuild(store, buildId))?.state).toBe("running");
  const first = await store.write((tx) => switchChannels(tx, publishId, "p-token", wish(0, 1)));
  const again = await store.write((tx) => switchChannels(tx, publishId, "p-token", wish(0, 1)));

  expect(first).toMatchObject({ answer: { kind: "live" } });
  expect(again).toMatchObject({ answer: { kind: "live" } });
  expect((await findBuild(store, buildId))?.state).toBe("passed");
  const statuses = await store.write(claimStatuses);
  expect(statuses).toMatchObject([{ state: "success", description: "passed; published to dev" }]);
});

test("a switch that was built on an older generation is told to assemble again", async () => {
  await using held = await aStore();
  const { store } = held;
  const { publishId } = await aRunningPublish(store);
  await store.db.updateTable("channels").set({ head: 7 }).where("name", "=", "dev").execute();

  const switched = await store.write((tx) => switchChannels(tx, publishId, "p-token", wish(0, 1)));

  expect(switched).toMatchObject({
    answer: { kind: "moved", channels: [{ name: "dev", head: 7 }] },
  });
  expect(await store.db.selectFrom("packages").selectAll().execute()).toEqual([]);
});

test("a NEVRA is the same with the same content, taken with another", async () => {
  await using held = await aStore();
  const { store } = held;
  const { publishId } = await aRunningPublish(store);
  await store.write((tx) => switchChannels(tx, publishId, "p-token", wish(0, 1)));
  const { nevra } = wish(0, 1).packages[0] ?? {};
  if (nevra === undefined) throw new Error("The wish has no package.");

  const answer = await checkPackages(store, {
    packages: [
      { nevra, unsignedSha256: RPM.sha256 },
      { nevra, unsignedSha256: "9".repeat(64) },
      { nevra: { ...nevra, version: "2" }, unsignedSha256: "9".repeat(64) },
    ],
  });

  expect(answer.packages.map(({ verdict }) => verdict)).toEqual(["same", "taken", "new"]);
  expect(answer.packages[1]?.takenBy).toBe("acme/hello #1");
});

test("a NEVRA that another build took since the check is refused in the switch itself", async () => {
  await using held = await aStore();
  const { store } = held;
  const { publishId } = await aRunningPublish(store);
  await store.write((tx) => switchChannels(tx, publishId, "p-token", wish(0, 1)));
  const second = await aRunningPublish(store, "p-token-2");
  const [made] = wish(1, 2).packages;
  const other = {
    ...wish(1, 2),
    packages: made ? [{ ...made, unsignedSha256: "9".repeat(64) }] : [],
  };

  const switched = await store.write((tx) =>
    switchChannels(tx, second.publishId, "p-token-2", other),
  );

  expect(switched).toMatchObject({ taken: expect.stringContaining("acme/hello #1") });
  expect((await findBuild(store, second.buildId))?.state).toBe("running");
});

test("a cancel before the switch wins, a cancel after it is too late", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);

  const cancel = await store.write((tx) => cancelBuild(tx, buildId, "ops"));
  const switched = await store.write((tx) => switchChannels(tx, publishId, "p-token", wish(0, 1)));
  const late = await store.write((tx) => cancelBuild(tx, buildId, "ops"));

  expect(cancel.result).toBe("cancelling");
  expect(switched).toMatchObject({ answer: { kind: "cancelled" } });
  expect((await findBuild(store, buildId))?.state).toBe("cancelled");
  expect(late.result).toBe("already-final");
});

test("a publish that is refused after a cancel is cancelled, as was asked first", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);
  await store.write((tx) => cancelBuild(tx, buildId, "ops"));
  const failure = ourCard("PUBLISH_FAILED", "refused", "publish");

  await store.write((tx) => failPublish(tx, publishId, "p-token", failure));

  expect(await findBuild(store, buildId)).toMatchObject({ state: "cancelled" });
});

test("a queued build is cancelled at once, a running one when its worker says so", async () => {
  await using held = await aStore();
  const { store } = held;
  const { made } = await accept(store);
  const queued = await store.write((tx) => cancelBuild(tx, made?.build.id ?? "", "ops"));
  const { buildId, jobId, token } = await aRunningJob(store);

  const running = await store.write((tx) => cancelBuild(tx, buildId, "ops"));

  expect(queued.result).toBe("cancelled");
  expect(running).toMatchObject({ result: "cancelling", running: [jobId] });
  expect(await store.write((tx) => renewLease(tx, jobId, token))).toMatchObject({ cancel: true });
  await store.write((tx) => endJob(tx, jobId, token, passed_()));
  expect((await findBuild(store, buildId))?.state).toBe("cancelled");
});

test("a publish worker that is lost leaves its request to the next one", async () => {
  await using held = await aStore();
  const { store } = held;
  const { publishId } = await aRunningPublish(store);

  held.advance(LEASE_MS + 1);
  const changes = await store.write(expirePublishLeases);

  expect(changes).toMatchObject([{ publishId }]);
  const again = await store.write((tx) => claimPublish(tx, "p2", "p-token-2"));
  expect(again?.publish.attempt).toBe(2);
});

test("a publish that no worker takes ends its build as ours", async () => {
  await using held = await aStore();
  const { store } = held;
  const dayMs = 24 * 3_600_000;
  const job = await aRunningJob(store);
  await store.write((tx) => endJob(tx, job.jobId, job.token, passed_()));
  const expire = () => store.write((tx) => expireQueuedPublishes(tx, dayMs));

  expect(await expire()).toEqual([]);
  held.advance(dayMs + 1);
  await expire();

  const build = await findBuild(store, job.buildId);
  expect(build).toMatchObject({ state: "errored", reason: "no publish worker took it" });
  expect(build?.failureJson).toContain("NO_WORKER");
  expect(await store.write((tx) => claimPublish(tx, "p1", "t"))).toBeUndefined();
});

test("a rerun is a build of its own that may be pending again; the old build speaks no more", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  await store.write((tx) => endJob(tx, jobId, token, { ...passed_(), packages: [] }));

  const rerun = await store.write((tx) => rerunBuild(tx, buildId, "ops"));

  expect(rerun).toMatchObject({ kind: "queued", number: 2 });
  expect(await store.write(claimStatuses)).toMatchObject([{ state: "pending" }]);
});

test("a build that is under way is not run a second time", async () => {
  await using held = await aStore();
  const { buildId } = await aRunningJob(held.store);

  const rerun = await held.store.write((tx) => rerunBuild(tx, buildId, "ops"));

  expect(rerun).toEqual({ kind: "not-possible" });
});

test("a status answered for an older wish does not end the newer one", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId, token } = await aRunningJob(store);
  const [row] = await store.write(claimStatuses);
  if (row === undefined) throw new Error("Nothing to say.");
  await store.write((tx) => endJob(tx, jobId, token, { ...passed_(), packages: [] }));

  const answer = { lease: row.lease, version: row.version, result: { kind: "sent" } } as const;
  await store.write((tx) => answerStatus(tx, row.id, answer));

  expect(await store.write(claimStatuses)).toMatchObject([{ id: row.id, state: "success" }]);
});

test("a wish that a forge will never take does not end a later one", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId, token } = await aRunningJob(store);
  const refuse = async () => {
    const [row] = await store.write(claimStatuses);
    if (row === undefined) throw new Error("Nothing to say.");
    const result = { kind: "terminal", reason: "422: No commit found" } as const;
    return async () => {
      const answer = { lease: row.lease, version: row.version, result };
      await store.write((tx) => answerStatus(tx, row.id, answer));
    };
  };
  // GitHub's webhook may be earlier than its commit.
  const refusePending = await refuse();
  await store.write((tx) => endJob(tx, jobId, token, { ...passed, packages: [] }));
  await refusePending();

  const refuseFinal = await refuse();
  await refuseFinal();

  expect(await store.write(claimStatuses)).toEqual([]);
  const { statusesWaiting } = await readStore(store, { liveSince: () => 0 }).counts();
  expect(statusesWaiting).toBe(0);
  await store.write((tx) => rerunBuild(tx, buildId, "ops"));
  expect(await store.write(claimStatuses)).toMatchObject([{ state: "pending" }]);
});

test("a status that was under way does not end the pause that its forge asks for", async () => {
  await using held = await aStore();
  const { store } = held;
  await accept(store);
  await accept(store);
  await accept(store);
  const [limited, sent, third] = await store.write(claimStatuses);
  const answer = async (row: typeof sent, result: ReportAnswer["result"]) => {
    if (row === undefined) throw new Error("Nothing to say.");
    const { id, lease, version } = row;
    await store.write((tx) => answerStatus(tx, id, { lease, version, result }));
  };
  const pause = { afterMs: 60_000, wholeCredential: true, reason: "rate limit" } as const;
  await answer(limited, { kind: "later", ...pause });
  await answer(sent, { kind: "sent" });
  await answer(third, { kind: "later", ...pause, afterMs: 0 });

  expect(await store.write(claimStatuses)).toEqual([]);
  held.advance(60_000);
  expect(await store.write(claimStatuses)).toHaveLength(2);
});

test("a refused credential parks its forge and tries a single row later", async () => {
  await using held = await aStore();
  const { store } = held;
  await accept(store);
  await accept(store);
  const rows = await store.write(claimStatuses);
  for (const { id, lease, version } of rows) {
    const result = { kind: "parked", reason: "401" } as const;
    await store.write((tx) => answerStatus(tx, id, { lease, version, result }));
  }

  expect(await store.write(claimStatuses)).toEqual([]);
  held.advance(60_000);
  const probe = await store.write(claimStatuses);
  expect(probe).toHaveLength(1);
  const { parkedForges } = await readStore(store, { liveSince: () => 0 }).counts();
  expect(parkedForges).toEqual([{ forge: "github", reason: "401" }]);
});

test("a database of a newer version is refused", async () => {
  await using held = await aStore();
  await held.store.db
    .withTables<{ kysely_migration: { name: string; timestamp: string } }>()
    .insertInto("kysely_migration")
    .values({ name: "9999-later", timestamp: new Date(0).toISOString() })
    .execute();

  await expect(openDatabase(held.path)).rejects.toThrow("could not be brought to this version");
});

test("what a worker held is queued again at once when it starts anew", async () => {
  await using held = await aStore();
  const { store } = held;
  const { jobId } = await aRunningJob(store);

  const others = await store.write((tx) => loseAttemptsOf(tx, "w2"));
  const changes = await store.write((tx) => loseAttemptsOf(tx, "w1"));

  expect(others).toEqual([]);
  expect(changes).toMatchObject([{ queuedJobs: [jobId] }]);
  const again = await store.write((tx) => claimJob(tx, "w1", "t-2"));
  expect(again?.job).toMatchObject({ attempt: 2, countedAttempts: 2 });
});

test("what pages count is the same while nothing changes, whatever the clock says", async () => {
  await using held = await aStore();
  await aRunningJob(held.store);
  const read = readStore(held.store, { liveSince: () => 1 });
  const before = await read.counts();

  held.advance(20_000);

  // Else each open page would be drawn and sent anew every time somebody looks.
  expect(await read.counts()).toEqual(before);
  expect(await read.buildCounts()).toEqual({ running: 1 });
});

test("a publish worker that dies again and again does not turn a good build into an error of ours", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);
  for (let loss = 1; loss <= 5; loss += 1) {
    held.advance(LEASE_MS + 1);
    await store.write(expirePublishLeases);
    await store.write((tx) => claimPublish(tx, "p1", `p-token-${loss}`));
  }

  const switched = await store.write((tx) =>
    switchChannels(tx, publishId, "p-token-5", wish(0, 1)),
  );

  expect(switched).toMatchObject({ answer: { kind: "live" } });
  expect((await findBuild(store, buildId))?.state).toBe("passed");
});

test("a write that the disk refuses is told, so that the process can start anew", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-full-"));
  const told: unknown[] = [];
  let ids = 0;
  const newId = (prefix: string) => `${prefix}-${(ids += 1)}`;
  const env = { now: Date.now, newId, buildUrl: () => "" };
  const store = await openStore(join(dir, "tatara.db"), env, (err) => told.push(err));
  // SQLite itself says "full" at this bound, exactly as it does when the disk is.
  await sql`PRAGMA max_page_count = 1`.execute(store.db);

  const pushes = Array.from({ length: 100 }, () => aPush({ message: "x".repeat(2_000) }));
  const writing = pushes.map((push) => store.write((tx) => recordPush(tx, anIntake(push), LIMITS)));
  const results = await Promise.allSettled(writing);

  expect(results.some(({ status }) => status === "rejected")).toBe(true);
  expect(told.length).toBeGreaterThan(0);
  await store.close();
  await rm(dir, { recursive: true });
});
