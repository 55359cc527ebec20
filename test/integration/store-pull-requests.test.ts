import { describe, expect, test } from "vitest";
import type { PullRequest } from "../../src/domain/push.ts";
import { openSecrets } from "../../src/server/secrets.ts";
import { secretKey } from "../../src/server/secret-key.ts";
import { findBuild, rerunBuild } from "../../src/server/store/builds.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import { insertManualBuild } from "../../src/server/store/manual-builds.ts";
import {
  approveBuild,
  expireApprovals,
  recordClosed,
  recordPullRequest,
} from "../../src/server/store/pull-requests.ts";
import { mayPublish } from "../../src/server/store/stored-plan.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPush, anIntake, aStore } from "../support/a-store.ts";

const LIMITS = { waitingBuildsMax: 1_000 };
const BASE = "b".repeat(40);

let heads = 0;

function aPull(some: Partial<PullRequest> = {}): PullRequest {
  heads += 1;
  return {
    forge: "github",
    repo: "acme/hello",
    number: 12,
    action: "opened",
    baseBranch: "main",
    baseSha: BASE,
    headBranch: "feature",
    headSha: heads.toString(16).padStart(40, "f"),
    before: null,
    title: "Make it better",
    isFork: false,
    sender: "stranger",
    isAuthorKnown: true,
    defaultBranch: "main",
    ...some,
  };
}

function named(pull: PullRequest, deliveryId = `pr-${(heads += 1)}`) {
  const digest = `digest of ${deliveryId}`;
  return {
    forge: "github" as const,
    deliveryId,
    bodyDigest: digest,
    event: "pull_request",
    pullRequest: pull,
  };
}

function anEnd(number: number) {
  const deliveryId = `pr-${(heads += 1)}`;
  const repo = "acme/hello";
  return {
    forge: "github",
    event: "pull_request",
    bodyDigest: null,
    deliveryId,
    repo,
    number,
  } as const;
}

const record = (store: Store, pull: PullRequest, deliveryId?: string) =>
  store.write((tx) => recordPullRequest(tx, named(pull, deliveryId), LIMITS));

async function made(store: Store, pull: PullRequest) {
  const { made: build } = await record(store, pull);
  if (build === undefined) throw new Error("No build was made.");
  return build;
}

const claim = (store: Store, token = "t") => store.write((tx) => claimJob(tx, "w1", token));

test("a pull request is a build of its head, with its facts, once", async () => {
  await using test = await aStore();
  const pull = aPull();
  const first = await record(test.store, pull, "d-1");
  expect(first.made?.build).toMatchObject({
    event: "pull-request",
    ref: "refs/pull/12/head",
    sha: pull.headSha,
    trust: "internal-pr",
    message: "Make it better",
    fileSha: null,
    waitReason: null,
    mayPublish: 1,
    pullRequestJson: JSON.stringify({
      number: 12,
      baseBranch: "main",
      headBranch: "feature",
      isFork: false,
    }),
  });
  expect((await record(test.store, pull, "d-1")).result.kind).toBe("duplicate");
  expect((await record(test.store, pull, "d-2")).result).toMatchObject({
    kind: "duplicate",
    number: 1,
  });
  expect(await claim(test.store)).toBeDefined();
  expect(await claim(test.store)).toBeUndefined();
});

describe("a fork's pull request", () => {
  test("reads the base's pipeline file and never publishes, whoever its author", async () => {
    await using test = await aStore();
    const { build } = await made(test.store, aPull({ isFork: true }));
    expect(build).toMatchObject({ trust: "fork-pr", fileSha: BASE, mayPublish: 0 });
    expect(build.waitReason).toBeNull();
  });

  test("by a new author waits for approval of that very commit", async () => {
    await using test = await aStore();
    const { store } = test;
    const first = await made(store, aPull({ isFork: true, isAuthorKnown: false }));
    expect(first.queuedJobs).toEqual([]);
    expect(await claim(store)).toBeUndefined();
    const wish = { withItsFile: false, by: "admin" };
    const approved = await store.write((tx) => approveBuild(tx, first.build.id, wish));
    expect(approved.kind).toBe("approved");
    const granted = await claim(store);
    expect(granted?.build).toMatchObject({ id: first.build.id, fileSha: BASE, waitReason: null });

    // The next push is another commit, which nobody has looked at.
    const second = await made(store, aPull({ isFork: true, isAuthorKnown: false }));
    expect(second.build.waitReason).toContain("waits for approval");
    expect(await claim(store, "t2")).toBeUndefined();
    const again = await store.write((tx) => approveBuild(tx, first.build.id, wish));
    expect(again.kind).toBe("not-waiting");
  });

  test("counts with its own file only when that was said", async () => {
    await using test = await aStore();
    const { build } = await made(test.store, aPull({ isFork: true, isAuthorKnown: false }));
    const wish = { withItsFile: true, by: "admin" };
    await test.store.write((tx) => approveBuild(tx, build.id, wish));
    expect((await claim(test.store))?.build).toMatchObject({ fileSha: null, mayPublish: 0 });
  });

  test("keeps all that in a rerun", async () => {
    await using test = await aStore();
    const { store } = test;
    const { build } = await made(store, aPull({ isFork: true, isAuthorKnown: false }));
    await store.write((tx) => recordClosed(tx, anEnd(12)));
    const again = await store.write((tx) => rerunBuild(tx, build.id, "admin", { isFresh: true }));
    if (again.kind !== "queued") throw new Error(again.kind);
    // Nobody has looked at it yet, so a rerun waits as the first one did.
    expect(await claim(store)).toBeUndefined();
    await store.write((tx) => approveBuild(tx, again.id, { withItsFile: false, by: "admin" }));
    const granted = await claim(store);
    expect(granted?.build).toMatchObject({
      id: again.id,
      event: "rerun",
      rerunOf: build.id,
      trust: "fork-pr",
      fileSha: BASE,
      mayPublish: 0,
      isFresh: 1,
      pullRequestJson: build.pullRequestJson,
    });
  });
});

test("what nobody approves ends after two weeks, and nothing else does", async () => {
  await using test = await aStore();
  const { store } = test;
  const waiting = await made(store, aPull({ isFork: true, isAuthorKnown: false }));
  const known = await made(store, aPull({ number: 13 }));
  test.advance(14 * 24 * 3_600_000 - 1);
  expect(await store.write(expireApprovals)).toEqual([]);
  test.advance(2);
  expect(await store.write(expireApprovals)).toMatchObject([{ buildId: waiting.build.id }]);
  expect(await store.write(expireApprovals)).toEqual([]);
  expect(await findBuild(store, waiting.build.id)).toMatchObject({
    state: "cancelled",
    reason: "cancelled by the server: nobody approved it within 14 days",
  });
  expect(await findBuild(store, known.build.id)).toMatchObject({ state: "queued" });
});

test("a closed pull request takes what is not final with it, and nothing else", async () => {
  await using test = await aStore();
  const { store } = test;
  const queued = await made(store, aPull());
  const running = await made(store, aPull({ number: 13 }));
  const other = await made(store, aPull({ number: 14 }));
  await store.db
    .updateTable("jobs")
    .set({ state: "running" })
    .where("buildId", "=", running.build.id)
    .execute();
  await store.write((tx) => recordClosed(tx, anEnd(12)));
  const closed = await store.write((tx) => recordClosed(tx, anEnd(13)));
  expect(closed.running).toHaveLength(1);
  const states = await store.db
    .selectFrom("builds")
    .select(["id", "state", "cancelRequestedAt"])
    .execute();
  const of = (id: string) => states.find((row) => row.id === id);
  expect(of(queued.build.id)?.state).toBe("cancelled");
  expect(of(running.build.id)?.cancelRequestedAt).not.toBeNull();
  expect(of(other.build.id)).toMatchObject({ state: "queued", cancelRequestedAt: null });
});

describe("trust decides", () => {
  const SECRET = "a-secret-of-the-tests";
  const PULL_SECRET = "another-secret-for-pulls";

  /** A build of each class, claimed; what its grant may hold. */
  async function facts(store: Store, id: string) {
    const secrets = openSecrets(store, secretKey(Buffer.alloc(32, 7)));
    const rule = { repo: "acme/hello", branches: null };
    await secrets.set({ ...rule, name: "DEPLOY_KEY", value: SECRET, pullRequests: false });
    await secrets.set({ ...rule, name: "NPM_TOKEN", value: PULL_SECRET, pullRequests: true });
    const granted = await claim(store);
    if (granted?.build.id !== id) throw new Error("Another build was granted.");
    const values = await secrets.valuesFor(granted);
    const { trust, fileSha } = granted.build;
    const names = values.map(({ name }) => name).toSorted();
    return { trust, names, fileSha, mayPublish: mayPublish(granted.build) };
  }

  test("a push by a member", async () => {
    await using test = await aStore();
    const { made: build } = await test.store.write((tx) =>
      recordPush(tx, anIntake(aPush()), LIMITS),
    );
    expect(await facts(test.store, build?.build.id ?? "")).toEqual({
      trust: "trusted",
      names: ["DEPLOY_KEY", "NPM_TOKEN"],
      fileSha: null,
      mayPublish: true,
    });
  });

  test("a build by hand", async () => {
    await using test = await aStore();
    await test.store.write((tx) =>
      recordPush(tx, anIntake(aPush({ message: "[skip ci]" })), LIMITS),
    );
    const build = await test.store.write((tx) =>
      insertManualBuild(
        tx,
        {
          repo: "acme/hello",
          forge: "github",
          defaultBranch: "main",
          ref: "refs/heads/main",
          commit: { sha: "d".repeat(40), message: "", authorName: "" },
          params: { MODE: "full" },
          isFresh: false,
          by: "admin",
        },
        LIMITS,
      ),
    );
    if (typeof build === "string") throw new Error(build);
    expect(await facts(test.store, build.build.id)).toEqual({
      trust: "manual",
      names: ["DEPLOY_KEY", "NPM_TOKEN"],
      fileSha: null,
      mayPublish: true,
    });
  });

  test("a pull request of the same repo", async () => {
    await using test = await aStore();
    const { build } = await made(test.store, aPull());
    expect(await facts(test.store, build.id)).toEqual({
      trust: "internal-pr",
      names: ["NPM_TOKEN"],
      fileSha: null,
      mayPublish: true,
    });
  });

  test("a pull request of a fork", async () => {
    await using test = await aStore();
    const { build } = await made(test.store, aPull({ isFork: true }));
    expect(await facts(test.store, build.id)).toEqual({
      trust: "fork-pr",
      names: [],
      fileSha: BASE,
      mayPublish: false,
    });
  });
});
