import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { openGitHeads } from "../../src/server/git-heads.ts";
import { openGitRepos } from "../../src/server/git-repos.ts";
import { createSchedules } from "../../src/server/schedules.ts";
import { rememberSchedules } from "../../src/server/store/schedules.ts";
import { consumeTickets, openSchedulers, SCHEDULE_QUEUE } from "../../src/shared/queues.ts";
import { startRedis } from "../support/a-redis.ts";
import { aStore, type TestStore } from "../support/a-store.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { until } from "../support/until.ts";

const HOUR_MS = 3_600_000;
const REPO = "acme/hello";

/** A repo of the own remote with one commit, and servers that share its records. */
async function aWorld() {
  const stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const test = stack.use(await aStore());
  const dir = await mkdtemp(join(tmpdir(), "tatara-schedules-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const path = process.env["PATH"] ?? "";
  const repos = openGitRepos({ dir, path });
  await repos.create(REPO);
  const git = (...args: string[]): string =>
    execFileSync("git", ["--git-dir", join(dir, `${REPO}.git`), ...args], {
      env: {
        ...repos.env,
        GIT_AUTHOR_NAME: "Dev",
        GIT_AUTHOR_EMAIL: "d@example.com",
        GIT_COMMITTER_NAME: "Dev",
        GIT_COMMITTER_EMAIL: "d@example.com",
      },
      input: "",
    })
      .toString()
      .trim();
  const tree = git("mktree");
  const sha = git("commit-tree", tree, "-m", "first");
  git("update-ref", "refs/heads/main", sha);
  await test.store.db
    .insertInto("repos")
    .values({
      name: REPO,
      forge: "own",
      defaultBranch: "main",
      nextNumber: 1,
      createdAt: 0,
      cacheEpoch: 0,
    })
    .execute();

  const aServer = () => {
    const schedulers = openSchedulers({ redisUrl: redis.url, logger: silentLogger });
    stack.defer(() => schedulers.close());
    const heads = openGitHeads({ repos, path, githubUrl: "http://x", githubReadToken: undefined });
    const announcer = { announce: () => undefined };
    const limits = { waitingBuildsMax: 1_000 };
    const deps = { store: test.store, heads, announcer, schedulers, logger: silentLogger };
    return createSchedules({ ...deps, ...limits });
  };
  return {
    redis,
    test,
    sha,
    aServer,
    git,
    stack,
    builds: async () =>
      await test.store.db.selectFrom("builds").selectAll().orderBy("number").execute(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** As the plan of the default branch's newest build says. */
async function say(test: TestStore, patterns: readonly string[], number = 1) {
  const build = {
    repo: REPO,
    ref: "refs/heads/main",
    number,
    event: "push",
    defaultBranch: "main",
  };
  await test.store.write((tx) => rememberSchedules(tx, build as never, patterns));
}

test("two servers make one build a tick, of the newest commit", async () => {
  await using world = await aWorld();
  const { test, aServer } = world;
  await say(test, ["0 * * * *"]);
  const [one, two] = [aServer(), aServer()];
  await Promise.all([one.tick(), two.tick()]);
  expect(await world.builds()).toEqual([]);
  test.advance(HOUR_MS);
  await Promise.all([one.tick(), two.tick(), one.tick()]);
  await two.tick();
  const builds = await world.builds();
  expect(builds).toHaveLength(1);
  expect(builds[0]).toMatchObject({
    event: "schedule",
    trust: "trusted",
    sha: world.sha,
    ref: "refs/heads/main",
    message: "first",
    pusher: "schedule",
  });
  test.advance(HOUR_MS);
  await Promise.all([one.tick(), two.tick()]);
  expect(await world.builds()).toHaveLength(2);
});

test("a downtime of several ticks is one build, and so are two schedules at one time", async () => {
  await using world = await aWorld();
  const { test, aServer } = world;
  await say(test, ["0 * * * *", "30 * * * *", "*/30 * * * *"]);
  test.advance(7 * HOUR_MS);
  const server = aServer();
  await server.tick();
  expect(await world.builds()).toHaveLength(1);
  await server.tick();
  expect(await world.builds()).toHaveLength(1);
  test.advance(HOUR_MS / 2);
  await server.tick();
  expect(await world.builds()).toHaveLength(2);
});

test("the newest plan of the default branch says which schedules there are", async () => {
  await using world = await aWorld();
  const { test } = world;
  await say(test, ["0 * * * *", "0 3 * * *"]);
  await say(test, ["0 4 * * *"], 2);
  const patterns = async () =>
    (await test.store.db.selectFrom("schedules").select("pattern").execute()).map(
      ({ pattern }) => pattern,
    );
  expect(await patterns()).toEqual(["0 4 * * *"]);
  const other = {
    repo: REPO,
    ref: "refs/heads/next",
    number: 3,
    event: "push",
    defaultBranch: "main",
  };
  await test.store.write((tx) => rememberSchedules(tx, other as never, []));
  expect(await patterns()).toEqual(["0 4 * * *"]);
});

test("a branch that is gone ends no server and leaves no build", async () => {
  await using world = await aWorld();
  const { test, aServer } = world;
  await say(test, ["0 * * * *"]);
  world.git("update-ref", "-d", "refs/heads/main");
  test.advance(HOUR_MS);
  await aServer().tick();
  expect(await world.builds()).toEqual([]);
});

test("the queue has each schedule once, also after it forgot all of them", async () => {
  await using world = await aWorld();
  const { test, aServer, redis, stack } = world;
  await say(test, ["0 * * * *", "0 3 * * *"]);
  const [one, two] = [aServer(), aServer()];
  const client = stack.adopt(
    new Redis(redis.url.replace("unix://", ""), { maxRetriesPerRequest: null }),
    (open) => open.disconnect(),
  );
  const known = async (): Promise<number> => await client.zcard(`tatara:${SCHEDULE_QUEUE}:repeat`);
  // A connection is still being opened the first time.
  await until(
    () =>
      Promise.all([one.sync(), two.sync()]).then(
        () => true,
        () => false,
      ),
    true,
  );
  expect(await known()).toBe(2);
  await client.flushall();
  expect(await known()).toBe(0);
  await Promise.all([one.sync(), two.sync()]);
  expect(await known()).toBe(2);
  await say(test, ["0 3 * * *"], 2);
  await one.sync();
  expect(await known()).toBe(1);

  // What was due while nothing was known of it is due still.
  await client.flushall();
  test.advance(24 * HOUR_MS);
  await one.tick();
  expect(await world.builds()).toHaveLength(1);
});

test("two consumers get one ticket of a scheduler's tick", async () => {
  await using world = await aWorld();
  const { redis, stack } = world;
  const schedulers = [1, 2].map(() =>
    openSchedulers({ redisUrl: redis.url, logger: silentLogger }),
  );
  const seen: number[] = [];
  for (const server of [0, 1]) {
    const consumer = consumeTickets({
      queue: SCHEDULE_QUEUE,
      redisUrl: redis.url,
      logger: silentLogger,
      onTicket: () => {
        seen.push(server);
        return Promise.resolve();
      },
    });
    stack.defer(() => consumer.close());
    stack.defer(async () => schedulers[server]?.close());
  }
  const client = stack.adopt(
    new Redis(redis.url.replace("unix://", ""), { maxRetriesPerRequest: null }),
    (open) => open.disconnect(),
  );
  // Once a year: no tick comes by itself while these are counted.
  const all = [{ id: "s-1", repo: REPO, pattern: "0 0 1 1 *" }];
  await until(
    () =>
      Promise.all(schedulers.map((one) => one.set(all))).then(
        () => true,
        () => false,
      ),
    true,
  );
  const queue = stack.adopt(
    new Queue(SCHEDULE_QUEUE, { connection: client, prefix: "tatara" }),
    (open) => open.close(),
  );
  // The one delayed ticket is the next tick. Made due now, it is taken once, and is followed by another.
  for (let tick = 1; tick <= 3; tick += 1) {
    const [next, ...more] = await queue.getDelayed();
    expect(more).toEqual([]);
    await next?.promote();
    await until(() => seen.length, tick);
    await until(async () => (await queue.getDelayed()).length, 1);
  }
  expect(await queue.getJobCounts("waiting", "active")).toEqual({ waiting: 0, active: 0 });
  expect(seen).toHaveLength(3);
});
