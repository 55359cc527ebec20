import { describe, expect, test } from "vitest";
import { LEASE_MS } from "../../src/domain/attempt.ts";
import { STRANGER_JOBS_MAX } from "../../src/domain/job-priority.ts";
import { expireLeases } from "../../src/server/store/attempts.ts";
import { findBuild } from "../../src/server/store/builds.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import { bumpBuild } from "../../src/server/store/manual-builds.ts";
import { insertBuild, type NewBuild } from "../../src/server/store/new-builds.ts";
import { readQueue, waitingOf } from "../../src/server/store/read-queue.ts";
import { returnWorker } from "../../src/server/store/resume.ts";
import type { Store, Tx } from "../../src/server/store/store.ts";
import { noteWorker } from "../../src/server/store/workers.ts";
import { createWorkerRoll } from "../../src/server/worker-roll.ts";
import { PROTOCOL } from "../../src/shared/protocol.ts";
import { aStore, type TestStore } from "../support/a-store.ts";

let commits = 0;

async function aBuild(store: Store, repo: string, some: Partial<NewBuild> = {}): Promise<string> {
  commits += 1;
  const sha = commits.toString(16).padStart(40, "c");
  const row = { name: repo, forge: "github", defaultBranch: "main", createdAt: 0 } as const;
  await store.db
    .insertInto("repos")
    .values({ ...row, nextNumber: 1, cacheEpoch: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const made = await store.write((tx) =>
    insertBuild(tx, {
      repo,
      forge: "github",
      event: "push",
      sha,
      ref: "refs/heads/main",
      before: "b".repeat(40),
      after: sha,
      message: "a change",
      authorName: "Dev One",
      pusher: "dev1",
      trust: "trusted",
      defaultBranch: "main",
      isReady: true,
      rerunOf: null,
      end: null,
      ...some,
    }),
  );
  return made.build.id;
}

async function claim(store: Store, arch?: string): Promise<string | undefined> {
  const granted = await store.write((tx) => claimJob(tx, "w1", "token", { arch }));
  return granted?.build.id;
}

/** Repos in the order in which their builds are claimed. */
async function claims(store: Store, count: number): Promise<readonly string[]> {
  const repos: string[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const granted = await store.write((tx) => claimJob(tx, "w1", "token"));
    repos.push(granted?.build.repo ?? "nothing");
  }
  return repos;
}

/** Without workers of any age, all are of now. */
function aRoll(store: Store) {
  const roll = createWorkerRoll(store.now);
  roll.seen("w1", "x86_64");
  return roll;
}

describe("who is next", () => {
  test("one repo with a hundred builds does not starve another", async () => {
    await using test = await aStore();
    const { store } = test;
    for (let build = 0; build < 100; build += 1) await aBuild(store, "acme/busy");
    test.advance(1_000);
    await aBuild(store, "acme/calm");
    await aBuild(store, "acme/calm");
    expect(await claims(store, 5)).toEqual([
      "acme/busy",
      "acme/calm",
      "acme/busy",
      "acme/calm",
      "acme/busy",
    ]);
  });

  test("a schedule goes after what people wait for, a stranger after all", async () => {
    await using test = await aStore();
    const { store } = test;
    const stranger = await aBuild(store, "acme/a", { trust: "fork-pr", event: "pull-request" });
    const nightly = await aBuild(store, "acme/b", { event: "schedule" });
    test.advance(1_000);
    const pushed = await aBuild(store, "acme/c");
    const manual = await aBuild(store, "acme/d", { event: "manual", trust: "manual" });
    const order = [await claim(store), await claim(store), await claim(store), await claim(store)];
    expect(order).toEqual([pushed, manual, nightly, stranger]);
  });

  test("what a person bumps goes first", async () => {
    await using test = await aStore();
    const { store } = test;
    await aBuild(store, "acme/a");
    const nightly = await aBuild(store, "acme/b", { event: "schedule" });
    expect(await store.write((tx) => bumpBuild(tx, nightly))).toBe(true);
    expect(await claim(store)).toBe(nightly);
  });

  test("a stranger has so many jobs at a time, and holds up no other stranger", async () => {
    await using test = await aStore();
    const { store } = test;
    const fork = { trust: "fork-pr", event: "pull-request" } as const;
    for (let build = 0; build < STRANGER_JOBS_MAX + 1; build += 1) {
      await aBuild(store, `acme/${build}`, { ...fork, pusher: "eve" });
    }
    test.advance(1_000);
    const others = await aBuild(store, "acme/x", { ...fork, pusher: "bob" });
    await claims(store, STRANGER_JOBS_MAX);
    expect(await claim(store)).toBe(others);
    expect(await claim(store)).toBeUndefined();
    const [waits] = (await readQueue(store, aRoll(store))).filter(
      ({ state }) => state === "queued",
    );
    expect(waits?.waiting?.reason).toBe("as many jobs of eve as may run already");
  });

  test("a job for another machine is left to it", async () => {
    await using test = await aStore();
    const { store } = test;
    const arm = await aBuild(store, "acme/a");
    await store.db
      .updateTable("jobs")
      .set({ arch: "aarch64" })
      .where("buildId", "=", arm)
      .execute();
    expect(await claim(store, "x86_64")).toBeUndefined();
    const waiting = await waitingOf(store, aRoll(store), { id: arm, state: "queued" });
    expect([...waiting.values()]).toEqual([
      { reason: "no worker for aarch64", ahead: null, etaMs: null },
    ]);
    expect(await claim(store, "aarch64")).toBe(arm);
  });
});

describe("the last attempt", () => {
  const take = async (store: Store, worker: string) =>
    (await store.write((tx) => claimJob(tx, worker, `of-${worker}`)))?.build.id;
  const die = async ({ store, advance }: TestStore) => {
    advance(LEASE_MS + 1);
    await store.write(expireLeases);
  };
  const asks = (worker: string) => (tx: Tx) =>
    noteWorker(tx, "build", { worker, arch: "x86_64", protocol: PROTOCOL });

  test("is left to a worker that the job was not lost with, as long as there is one", async () => {
    await using test = await aStore();
    const { store } = test;
    const build = await aBuild(store, "acme/a");
    for (const attempt of [1, 2]) {
      expect([attempt, await take(store, "sick")]).toEqual([attempt, build]);
      await die(test);
    }
    await store.write(asks("well"));

    expect(await take(store, "sick")).toBeUndefined();
    const later = await aBuild(store, "acme/b");
    expect(await take(store, "sick")).toBe(later);
    // It has not asked for a while, nor is it busy: nobody waits for it.
    test.advance(61_000);
    await store.write((tx) => returnWorker(tx, "sick", []));
    expect(new Set([await take(store, "sick"), await take(store, "sick")])).toEqual(
      new Set([build, later]),
    );
  });

  test("waits for a worker that is busy, and is not kept from it", async () => {
    await using test = await aStore();
    const { store } = test;
    const other = await aBuild(store, "acme/b");
    await store.write(asks("well"));
    expect(await take(store, "well")).toBe(other);
    await store.db.updateTable("jobs").set({ leaseExpiresAt: null }).execute();
    const build = await aBuild(store, "acme/a");
    for (const _attempt of [1, 2]) {
      await take(store, "sick");
      await die(test);
    }
    test.advance(61_000);

    expect(await take(store, "sick")).toBeUndefined();
    expect(await take(store, "well")).toBe(build);
  });

  test("is not run beside what was lost along with the job: one of the two is to blame", async () => {
    await using test = await aStore();
    const { store } = test;
    const both = [await aBuild(store, "acme/a"), await aBuild(store, "acme/a")];
    for (const worker of ["w1", "w2"]) {
      expect([await take(store, worker), await take(store, worker)]).toEqual(both);
      await die(test);
    }

    expect([await take(store, "w3"), await take(store, "w3")]).toEqual([both[0], undefined]);
    await die(test);

    expect((await findBuild(store, both[0] ?? ""))?.state).toBe("errored");
    expect(await take(store, "w4")).toBe(both[1]);
  });
});

describe("the queue as it is shown", () => {
  test("is in the order in which claims will come", async () => {
    await using test = await aStore();
    const { store } = test;
    for (const repo of ["acme/a", "acme/a", "acme/b", "acme/a", "acme/c", "acme/b"]) {
      await aBuild(store, repo);
      test.advance(1);
    }
    await aBuild(store, "acme/c", { event: "schedule" });
    await claims(store, 1);
    const shown = (await readQueue(store, aRoll(store))).flatMap(({ state, repo, number }) =>
      state === "queued" ? [`${repo} ${number}`] : [],
    );
    const claimed: string[] = [];
    for (const _one of shown) {
      const granted = await store.write((tx) => claimJob(tx, "w1", "token"));
      claimed.push(`${granted?.build.repo} ${granted?.build.number}`);
    }
    expect(claimed).toEqual(shown);
  });

  test("says how many are ahead and how long they will take", async () => {
    await using test = await aStore();
    const { store } = test;
    // What this repo's jobs took until now.
    const past = await aBuild(store, "acme/a");
    await store.db
      .updateTable("jobs")
      .set({ state: "passed", startedAt: 0, endedAt: 40_000 })
      .where("buildId", "=", past)
      .execute();
    await store.db.updateTable("builds").set({ state: "passed" }).where("id", "=", past).execute();
    await aBuild(store, "acme/a");
    await claims(store, 1);
    test.advance(10_000);
    const first = await aBuild(store, "acme/a");
    const second = await aBuild(store, "acme/a");
    const of = async (id: string) => {
      const waiting = await waitingOf(store, aRoll(store), { id, state: "queued" });
      return [...waiting.values()][0];
    };
    expect(await of(first)).toEqual({
      reason: "waiting for a worker: next in line, about 30 s",
      ahead: 0,
      etaMs: 30_000,
    });
    expect(await of(second)).toEqual({
      reason: "waiting for a worker: 1 ahead, about 70 s",
      ahead: 1,
      etaMs: 70_000,
    });
  });

  test("says for which tests a job waits", async () => {
    await using test = await aStore();
    const { store } = test;
    const build = await aBuild(store, "acme/a");
    const first = await store.db
      .selectFrom("jobs")
      .selectAll()
      .where("buildId", "=", build)
      .executeTakeFirstOrThrow();
    await store.db
      .updateTable("jobs")
      .set({ name: "el9.x86_64" })
      .where("id", "=", first.id)
      .execute();
    const later = { ...first, id: "j-later", position: 1, name: "el10.x86_64", isBlocked: 1 };
    await store.db
      .insertInto("jobs")
      .values({ ...later, needsJson: JSON.stringify([first.id]) })
      .execute();
    const waiting = await waitingOf(store, aRoll(store), { id: build, state: "queued" });
    expect(waiting.get("j-later")?.reason).toBe("waits for el9.x86_64 (tests)");
  });

  test("says since when nobody is there to do it", async () => {
    await using test = await aStore();
    const { store } = test;
    const roll = aRoll(store);
    test.advance(3 * 60_000);
    const build = await aBuild(store, "acme/a");
    const waiting = await waitingOf(store, roll, { id: build, state: "queued" });
    expect([...waiting.values()][0]?.reason).toBe("no worker is online since 3 min");
  });
});
