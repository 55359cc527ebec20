import { expect, test } from "vitest";
import { verifyFactsOf } from "../../src/server/store/build-grants.ts";
import { cancelBuild, findBuild } from "../../src/server/store/builds.ts";
import { listedIn } from "../../src/server/store/changes.ts";
import { findChannel } from "../../src/server/store/channels.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { failPublish } from "../../src/server/store/publishes.ts";
import { checkPublish } from "../../src/server/store/publish-checks.ts";
import { ourCard } from "../../src/server/store/job-rows.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { BuildPublishGrant } from "../../src/shared/publish-grants.ts";
import { VERIFY, aPackageStep, aPipeline, aPlanMessage, aRule } from "../support/a-pipeline.ts";
import { aPush, aStore } from "../support/a-store.ts";
import {
  TARGET,
  aPackage,
  aRunningJob,
  change,
  claim,
  headOf,
  switchTo,
} from "../support/store-rig.ts";

const verified = (publish = [aRule()]) =>
  aPlanMessage(aPipeline({ packages: [aPackageStep({ verify: VERIFY })], publish }));

let tokens = 0;

/** A build whose packages are built and whose verify job waits for them. */
async function built(
  store: Store,
  { content = "1".repeat(64), plan = verified(), push = aPush() } = {},
) {
  const token = `build-${(tokens += 1)}`;
  const job = await aRunningJob(store, { plan, push, token });
  const packages = [
    { fileName: "a-1-1.noarch.rpm", sha256: content, sizeBytes: 10, target: TARGET },
  ];
  const end = { state: "passed" as const, reason: null, failure: null, packages };
  const changed = await store.write((tx) => endJob(tx, job.jobId, token, end));
  return { ...job, changed, channel: `build-${job.buildId}`, content };
}

type Built = Awaited<ReturnType<typeof built>>;

async function stage(store: Store, { channel, content }: Built) {
  const token = `stage-${(tokens += 1)}`;
  const grant = (await claim(store, token)) as BuildPublishGrant;
  const packages = [aPackage({ content })];
  const live = { publishId: grant.publishId, token, base: 0, channel, packages };
  return { grant, token, ...(await switchTo(store, live)) };
}

async function verify(store: Store, state: "passed" | "failed") {
  const token = `verify-${(tokens += 1)}`;
  const granted = await store.write((tx) => claimJob(tx, "w1", token));
  if (granted === undefined) throw new Error("No verify job.");
  const facts = await verifyFactsOf(store, granted);
  const failure =
    state === "passed"
      ? null
      : {
          ...ourCard("INTERNAL", "nothing provides b", "verify"),
          kind: "code" as const,
          code: "VERIFY_FAILED" as const,
        };
  const end = { state, reason: null, failure, packages: [] };
  const changed = await store.write((tx) => endJob(tx, granted.job.id, token, end));
  return { granted, facts, changed };
}

async function publishFinal(store: Store, { content }: Built) {
  const token = `final-${(tokens += 1)}`;
  const { publishId } = await claim(store, token);
  const base = await headOf(store, "dev");
  return await switchTo(store, { publishId, token, base, packages: [aPackage({ content })] });
}

test("packages are verified in the build's own channel before any other moves", async () => {
  await using held = await aStore();
  const { store } = held;
  const build = await built(store);

  // The build's own channel: alone, for this repo, for 14 days.
  const channel = await findChannel(store, build.channel);
  expect(channel).toMatchObject({ parent: null, settings: { repos: ["acme/hello"] } });
  expect((channel?.expiresAt ?? 0) - store.now()).toBe(14 * 24 * 3_600_000);
  expect(await store.write((tx) => claimJob(tx, "w1", "early"))).toBeUndefined();

  const staged = await stage(store, build);
  expect(staged.grant.channels.map(({ name }) => name)).toEqual([build.channel]);
  expect(staged.changes).toMatchObject([{ queuedJobs: [expect.any(String)] }]);
  expect(await headOf(store, "dev")).toBe(0);

  const { facts, granted } = await verify(store, "passed");
  expect(granted.job).toMatchObject({ kind: "verify", name: `${TARGET} verify`, target: TARGET });
  expect(facts).toEqual({ channel: build.channel, nevras: ["a-1-1.noarch"], publishTo: ["dev"] });
  expect((await findBuild(store, build.buildId))?.state).toBe("running");

  const { answer } = await publishFinal(store, build);
  expect(answer).toEqual({ kind: "live" });
  expect((await findBuild(store, build.buildId))?.state).toBe("passed");
  expect(await headOf(store, "dev")).toBe(1);
});

test("a failed verify leaves every channel as it was, and the next push may use the version", async () => {
  await using held = await aStore();
  const { store } = held;
  const broken = await built(store);
  await stage(store, broken);
  await verify(store, "failed");

  expect(await findBuild(store, broken.buildId)).toMatchObject({ state: "failed" });
  expect(JSON.parse((await findBuild(store, broken.buildId))?.failureJson ?? "")).toMatchObject({
    code: "VERIFY_FAILED",
    title: "nothing provides b",
  });
  expect(await headOf(store, "dev")).toBe(0);

  const fixed = await built(store, { content: "2".repeat(64) });
  const staged = await stage(store, fixed);
  expect(staged.answer).toEqual({ kind: "live" });
  await verify(store, "passed");
  expect((await publishFinal(store, fixed)).answer).toEqual({ kind: "live" });
  const rows = await store.db
    .selectFrom("packages")
    .select(["nevra", "unsignedSha256", "buildId", "freedAt"])
    .orderBy("nevra")
    .execute();
  expect(rows).toMatchObject([
    { nevra: "a-1-1.noarch", unsignedSha256: fixed.content, buildId: fixed.buildId, freedAt: null },
    { nevra: `a-1-1.noarch#${broken.buildId}`, unsignedSha256: broken.content },
  ]);
});

test("the same content again takes its place back, and counts as the later build's", async () => {
  await using held = await aStore();
  const { store } = held;
  const broken = await built(store);
  await stage(store, broken);
  await verify(store, "failed");

  const again = await built(store);
  const asked = {
    nevra: aPackage().nevra,
    unsignedSha256: again.content,
    target: TARGET,
    provides: [],
    obsoletes: [],
    conflicts: [],
  };
  const token = "check-it";
  const grant = await claim(store, token);
  const row = await store.db
    .selectFrom("publishes")
    .selectAll()
    .where("id", "=", grant.publishId)
    .executeTakeFirstOrThrow();
  const check = (unsignedSha256: string) =>
    checkPublish(store, row, { packages: [{ ...asked, unsignedSha256 }] });
  expect((await check(again.content)).packages).toMatchObject([{ verdict: "same" }]);
  expect((await check("9".repeat(64))).packages).toMatchObject([{ verdict: "new" }]);
  const packages = [aPackage({ content: again.content })];
  const live = { publishId: grant.publishId, token, base: 0, channel: again.channel, packages };
  await switchTo(store, live);
  await verify(store, "passed");
  await publishFinal(store, again);

  const [only] = await store.db.selectFrom("packages").selectAll().execute();
  expect(only).toMatchObject({ buildId: again.buildId, freedAt: null });
});

test("people see of a package where hosts can have it, and nothing of what was never released", async () => {
  await using held = await aStore();
  const { store } = held;
  const read = readStore(store, { liveSince: () => 0 });
  const broken = await built(store);
  await stage(store, broken);
  await verify(store, "failed");
  expect(await read.packagesByName("a")).toEqual([]);
  expect(await read.listPackages({ limit: 9 })).toEqual([]);

  const fixed = await built(store, { content: "2".repeat(64) });
  await stage(store, fixed);
  await verify(store, "passed");
  await publishFinal(store, fixed);
  expect(await read.packagesByName("a")).toMatchObject([
    { nevra: "a-1-1.noarch", listings: [{ channel: "dev" }] },
  ]);
  const [name] = await read.listPackages({ limit: 9 });
  expect(name?.newest).toEqual({ dev: "1-1" });
});

test("what a person promotes out of a build's channel keeps its version from then on", async () => {
  await using held = await aStore();
  const { store } = held;
  const broken = await built(store);
  await stage(store, broken);
  await verify(store, "failed");
  const place = { target: TARGET, nevra: "a-1-1.noarch" };
  const facts = await store.db.selectFrom("packages").selectAll().executeTakeFirstOrThrow();
  const edit = {
    channel: "dev",
    add: [{ ...facts, ...place, sha256: facts.signedSha256 }],
    remove: [],
    advisories: [],
    extras: [],
    rewrite: false,
  };
  const wish = { kind: "edit", channels: ["dev"], by: "admin", note: "" } as const;
  await change(store, { ...wish, request: { edits: [edit], yank: null } });

  const other = await built(store, { content: "2".repeat(64) });
  const { answer } = await stage(store, other);
  expect(answer).toMatchObject({ kind: "refused", publishes: [{ why: "taken" }] });
  expect((await listedIn(store, { channel: "dev" })).map(({ nevra }) => nevra)).toEqual([
    "a-1-1.noarch",
  ]);
});

test("what hosts could have keeps its version for ever, verified again or not", async () => {
  await using held = await aStore();
  const { store } = held;
  const good = await built(store);
  await stage(store, good);
  await verify(store, "passed");
  await publishFinal(store, good);

  const other = await built(store, { content: "2".repeat(64) });
  const { answer } = await stage(store, other);

  expect(answer).toMatchObject({ kind: "refused", publishes: [{ why: "taken" }] });
});

test("a build that no rule sends anywhere is verified, passes, and takes no version", async () => {
  await using held = await aStore();
  const { store } = held;
  const build = await built(store, { plan: verified([]) });
  await stage(store, build);
  const { changed } = await verify(store, "passed");

  expect(changed?.publishId).toBeUndefined();
  expect((await findBuild(store, build.buildId))?.state).toBe("passed");
  const [row] = await store.db.selectFrom("packages").selectAll().execute();
  expect(row?.freedAt).not.toBeNull();
  const owned = await store.db.selectFrom("packageNames").selectAll().execute();
  expect(owned).toEqual([]);
});

test("packages that cannot be put in the build's channel fail the build; nothing is verified", async () => {
  await using held = await aStore();
  const { store } = held;
  const build = await built(store);
  const token = "stage-refused";
  const { publishId } = await claim(store, token);
  const card = ourCard("PUBLISH_FAILED", "not to be read", "publish");
  await store.write((tx) => failPublish(tx, publishId, token, card));

  expect((await findBuild(store, build.buildId))?.state).toBe("failed");
  const jobs = await store.db.selectFrom("jobs").select(["kind", "state"]).execute();
  expect(jobs).toContainEqual({ kind: "verify", state: "skipped" });
});

test("a cancel while the packages are verified ends it all, and frees their version", async () => {
  await using held = await aStore();
  const { store } = held;
  const build = await built(store);
  await stage(store, build);

  await store.write((tx) => cancelBuild(tx, build.buildId, "admin"));

  expect((await findBuild(store, build.buildId))?.state).toBe("cancelled");
  const [row] = await store.db.selectFrom("packages").selectAll().execute();
  expect(row?.freedAt).not.toBeNull();
});

test("with nothing built there is nothing to verify", async () => {
  await using held = await aStore();
  const { store } = held;
  const job = await aRunningJob(store, { plan: verified() });
  const end = { state: "passed" as const, reason: null, failure: null, packages: [] };
  await store.write((tx) => endJob(tx, job.jobId, job.token, end));

  expect((await findBuild(store, job.buildId))?.state).toBe("passed");
});
