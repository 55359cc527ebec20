import { expect, test } from "vitest";
import { LEASE_MS } from "../../src/domain/attempt.ts";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import type { FailureCard } from "../../src/shared/message-parts.ts";
import { cancelBuild, findBuild } from "../../src/server/store/builds.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { deleteChannel, insertChannel, requestChange } from "../../src/server/store/changes.ts";
import { endJob } from "../../src/server/store/jobs.ts";
import { ourCard } from "../../src/server/store/job-rows.ts";
import {
  expirePublishLeases,
  expireQueuedPublishes,
  faultPublish,
  handBackPublish,
} from "../../src/server/store/publish-attempts.ts";
import {
  claimPublish,
  donePublish,
  failPublish,
  recordProgress,
  renewPublishLease,
} from "../../src/server/store/publishes.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPush, aStore } from "../support/a-store.ts";
import {
  aPackage,
  aQueuedPublish,
  aRunningJob,
  aRunningPublish,
  claim,
  passed,
  publish,
  RPM,
  switchTo,
  TARGET,
} from "../support/store-rig.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const REWRITE = { add: [], remove: [], advisories: [], extras: [], rewrite: true };

const askRewrite = (store: Store, channel = "dev") =>
  store.write((tx) =>
    requestChange(tx, {
      kind: "edit",
      channels: [channel],
      request: { edits: [{ channel, ...REWRITE }], yank: null },
      by: "admin",
      note: "why not",
    }),
  );

const stateOf = async (store: Store, id: string) =>
  (await readStore(store, { liveSince: () => 0 }).changeById(id))?.state;

test("a build's grant tells its packages, its message, its errata and the channel as it is now", async () => {
  await using held = await aStore();
  const { store } = held;
  const job = await aRunningJob(store, { push: aPush({ message: "Fixes-CVE: CVE-1" }) });
  const end = { ...passed(), errata: "advisories: []" };
  await store.write((tx) => endJob(tx, job.jobId, job.token, end));

  const grant = await claim(store, "t-1");

  expect(grant).toMatchObject({
    kind: "build",
    message: "Fixes-CVE: CVE-1",
    errata: "advisories: []",
    build: { id: job.buildId, repo: "acme/hello", number: 1 },
    channels: [{ name: "dev", head: 0, settings: DEFAULT_CHANNEL_SETTINGS }],
    packages: [RPM],
    lease: { token: "t-1", attempt: 1, leaseMs: LEASE_MS },
  });
});

test("a change is granted with the heads of the moment in which it is claimed", async () => {
  await using held = await aStore();
  const { store } = held;
  await askRewrite(store);
  await store.db.updateTable("channels").set({ head: 5 }).where("name", "=", "dev").execute();

  const grant = await claim(store, "t-1");

  expect(grant).toMatchObject({
    kind: "edit",
    edits: [
      { channel: { name: "dev", head: 5, settings: DEFAULT_CHANNEL_SETTINGS }, rewrite: true },
    ],
  });
});

test("restores, imports and sweeps are granted as they were asked for", async () => {
  await using held = await aStore();
  const { store } = held;
  const asked = { by: "admin", note: "" };
  const from = { channel: "testing", number: 3 };
  const folder = { target: TARGET, folder: "/srv/rpms", foreignSignatures: "resign" } as const;
  const sweep = { dryRun: true, plan: null };
  await store.write(async (tx) => {
    const one = { ...asked, channels: ["dev"] };
    await requestChange(tx, { ...one, kind: "import", request: { channel: "dev", ...folder } });
    await requestChange(tx, { ...asked, channels: [], kind: "sweep", request: sweep });
  });
  held.advance(1);
  await store.write((tx) =>
    requestChange(tx, {
      ...asked,
      kind: "restore",
      channels: ["stable"],
      request: { channel: "stable", from },
    }),
  );

  const grants = [await claim(store, "t-1"), await claim(store, "t-2"), await claim(store, "t-3")];

  expect(grants).toMatchObject([
    { kind: "import", channel: { name: "dev", head: 0 }, ...folder },
    { kind: "sweep", dryRun: true, keep: [], dropPackages: [] },
    { kind: "restore", channel: { name: "stable" }, from },
  ]);
});

test("what is published to a new child channel waits until its copy is live", async () => {
  await using held = await aStore();
  const { store } = held;
  const { number } = await publish(store, [aPackage()]);
  const from = { channel: "dev", number };
  const copyId = await store.write(async (tx) => {
    await insertChannel(tx, { name: "topic", parent: { name: "dev", number } });
    const request = { channel: "topic", from };
    const wish = { kind: "restore", channels: ["topic"], request, by: "push", note: "" } as const;
    return await requestChange(tx, wish);
  });
  const later = await askRewrite(store, "topic");

  const first = await claim(store, "t-1");
  const early = await store.write((tx) => claimPublish(tx, "p1", "t-2"));
  const copy = { publishId: copyId, token: "t-1", base: 0, channel: "topic", packages: [] };
  const switched = await switchTo(store, copy);

  expect(first.publishId).toBe(copyId);
  expect(early.grant).toBeUndefined();
  // The worker is woken for what has waited.
  expect(switched.changes).toMatchObject([{ publishId: later }]);
  expect((await claim(store, "t-3")).publishId).toBe(later);
});

test("a change of a channel that was deleted fails, and the next one is granted", async () => {
  await using held = await aStore();
  const { store } = held;
  await store.write((tx) => insertChannel(tx, { name: "topic" }));
  const gone = await askRewrite(store, "topic");
  const next = await askRewrite(store);
  // As if it had been deleted by an earlier version, which left what waits.
  await store.db.deleteFrom("channels").where("name", "=", "topic").execute();

  const claimed = await store.write((tx) => claimPublish(tx, "p1", "t-1"));

  expect(claimed.grant?.publishId).toBe(next);
  expect(claimed.changes).toMatchObject([
    { publish: { id: gone } },
    { publish: { id: gone } },
    { publish: { id: next } },
  ]);
  expect(await stateOf(store, gone)).toBe("failed");
});

test("deleting a channel fails what waits for it, builds as well", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId } = await aQueuedPublish(store);

  const deleted = await store.write((tx) => deleteChannel(tx, "dev"));

  expect(deleted).toMatchObject({ kind: "deleted", changes: [{ buildId }] });
  expect(await findBuild(store, buildId)).toMatchObject({
    state: "failed",
    reason: "channel dev was deleted",
  });
});

test("a change that fails says why; nobody hears of a build", async () => {
  await using held = await aStore();
  const { store } = held;
  const id = await askRewrite(store);
  await claim(store, "t-1");
  const failure: FailureCard = { ...ourCard("PUBLISH_FAILED", "a does not resolve", null) };

  const changed = await store.write((tx) => failPublish(tx, id, "t-1", failure));

  expect(changed).toMatchObject({ publish: { id, channels: ["dev"] } });
  expect(changed?.buildId).toBeUndefined();
  const result = await readStore(store, { liveSince: () => 0 }).changeById(id);
  expect(result).toMatchObject({ state: "failed", reason: "a does not resolve" });
  expect(result?.report).toEqual([failure.hint]);
});

test("progress is shown while it runs, and its report afterwards", async () => {
  await using held = await aStore();
  const { store } = held;
  const id = await askRewrite(store);
  await claim(store, "t-1");
  const read = readStore(store, { liveSince: () => 0 });
  const say = (token: string) =>
    store.write((tx) => recordProgress(tx, id, token, { done: 3, total: 9, note: "pooled" }));

  expect(await say("t-0")).toBeUndefined();
  expect(await say("t-1")).toMatchObject({ publish: { id } });
  expect((await read.changeById(id))?.report).toEqual(["3 of 9: pooled"]);
  const done = { durationMs: 12.4, report: ["nothing to rewrite"] };
  await store.write((tx) => donePublish(tx, id, "t-1", done));
  const again = await store.write((tx) => donePublish(tx, id, "t-1", done));

  expect(again).toBeDefined();
  expect(await read.changeById(id)).toMatchObject({
    state: "live",
    durationMs: 12,
    report: ["nothing to rewrite"],
    generations: [],
  });
});

test("a build whose packages the channel has already passes without a generation", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);

  await store.write((tx) => donePublish(tx, publishId, "p-token", { durationMs: 1, report: [] }));

  expect((await findBuild(store, buildId))?.state).toBe("passed");
  expect(await store.write(claimStatuses)).toMatchObject([
    { state: "success", description: "passed; dev had it already" },
  ]);
});

test("a change whose worker is lost or hands it back is granted again, and in the end given up", async () => {
  await using held = await aStore();
  const { store } = held;
  const id = await askRewrite(store);
  await claim(store, "t-1");
  const handedBack = await store.write((tx) => handBackPublish(tx, id, "t-1"));
  await claim(store, "t-2");
  held.advance(LEASE_MS + 1);
  const lost = await store.write(expirePublishLeases);
  expect(handedBack).toMatchObject({ publishId: id });
  expect(lost).toMatchObject([{ publishId: id }]);

  const fault = { code: "PUBLISH_FAILED", message: "no space" } as const;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await claim(store, `f-${attempt}`);
    await store.write((tx) => faultPublish(tx, id, `f-${attempt}`, fault));
    held.advance(DAY_MS);
  }

  expect(await readStore(store, { liveSince: () => 0 }).changeById(id)).toMatchObject({
    state: "errored",
    reason: "no space",
  });
});

test("a change that no worker takes ends", async () => {
  await using held = await aStore();
  const { store } = held;
  const id = await askRewrite(store);
  held.advance(DAY_MS + 1);

  await store.write((tx) => expireQueuedPublishes(tx, DAY_MS));

  expect(await stateOf(store, id)).toBe("errored");
});

test("a heartbeat keeps the lease of a change, and asks to cancel only what was cancelled", async () => {
  await using held = await aStore();
  const { store } = held;
  const id = await askRewrite(store);
  await claim(store, "t-1");

  expect(await store.write((tx) => renewPublishLease(tx, id, "t-1"))).toEqual({ cancel: false });
  expect(await store.write((tx) => renewPublishLease(tx, id, "t-0"))).toBeUndefined();
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

test("a publish worker that is lost leaves its request to the next one", async () => {
  await using held = await aStore();
  const { store } = held;
  const { publishId } = await aRunningPublish(store);

  held.advance(LEASE_MS + 1);
  const changes = await store.write(expirePublishLeases);

  expect(changes).toMatchObject([{ publishId }]);
  expect((await claim(store, "p-token-2")).lease.attempt).toBe(2);
});

test("a publish that no worker takes ends its build as ours", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId } = await aQueuedPublish(store);
  const expire = () => store.write((tx) => expireQueuedPublishes(tx, DAY_MS));

  expect(await expire()).toEqual([]);
  held.advance(DAY_MS + 1);
  await expire();

  const build = await findBuild(store, buildId);
  expect(build).toMatchObject({ state: "errored", reason: "no publish worker took it" });
  expect(build?.failureJson).toContain("NO_WORKER");
  expect((await store.write((tx) => claimPublish(tx, "p1", "t"))).grant).toBeUndefined();
});

test("a publish worker that dies again and again does not turn a good build into an error of ours", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);
  for (let loss = 1; loss <= 5; loss += 1) {
    held.advance(LEASE_MS + 1);
    await store.write(expirePublishLeases);
    await claim(store, `p-token-${loss}`);
  }

  const switched = await switchTo(store, { publishId, token: "p-token-5", base: 0 });

  expect(switched.answer).toEqual({ kind: "live" });
  expect((await findBuild(store, buildId))?.state).toBe("passed");
});

test.each([
  ["disk", "DISK_FULL"],
  ["signing key", "SIGNING_FAILED"],
] as const)(
  "a publish whose %s is away is tried for an hour, then errored",
  async (_what, code) => {
    await using held = await aStore();
    const { store } = held;
    const { buildId, publishId } = await aRunningPublish(store);
    const fault = { code, message: "it is away" } as const;
    const startedAt = store.now();
    const tokens = ["p-token", ...Array.from({ length: 100 }, (_none, at) => `again-${at}`)];
    const stateNow = async () => (await findBuild(store, buildId))?.state;

    for (const [at, token] of tokens.entries()) {
      await store.write((tx) => faultPublish(tx, publishId, token, fault));
      if ((await stateNow()) === "errored") break;
      const row = await store.db
        .selectFrom("publishes")
        .select("notBeforeAt")
        .where("id", "=", publishId)
        .executeTakeFirstOrThrow();
      held.advance(Math.max(0, row.notBeforeAt - store.now()));
      await claim(store, tokens[at + 1] ?? "");
    }

    expect(await stateNow()).toBe("errored");
    const triedForMs = store.now() - startedAt;
    expect(triedForMs).toBeGreaterThanOrEqual(HOUR_MS);
    expect(triedForMs).toBeLessThan(1.25 * HOUR_MS);
  },
);
