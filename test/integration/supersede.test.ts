import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OnNewerPush } from "../../src/domain/pipeline.ts";
import { openGitRepos } from "../../src/server/git-repos.ts";
import { createSuperseder } from "../../src/server/superseder.ts";
import { insertBuild, type NewBuild } from "../../src/server/store/new-builds.ts";
import { aStore } from "../support/a-store.ts";
import { silentLogger } from "../support/silent-logger.ts";

const REPO = "acme/hello";
const [A, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [string, string, string];

async function aWorld(forge: "own" | "github") {
  const stack = new AsyncDisposableStack();
  const test = stack.use(await aStore());
  const { store } = test;
  const dir = await mkdtemp(join(tmpdir(), "tatara-supersede-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const repos = openGitRepos({ dir, path: process.env["PATH"] ?? "" });
  await repos.create(REPO);
  const who = (name: string) => ({
    [`GIT_${name}_NAME`]: "Dev",
    [`GIT_${name}_EMAIL`]: "d@example.com",
  });
  const git = (...args: string[]): string =>
    execFileSync("git", ["--git-dir", join(dir, `${REPO}.git`), ...args], {
      env: { ...repos.env, ...who("AUTHOR"), ...who("COMMITTER") },
      input: "",
    })
      .toString()
      .trim();
  const row = { name: REPO, forge, defaultBranch: "main", nextNumber: 1, createdAt: 0 };
  await store.db
    .insertInto("repos")
    .values({ ...row, cacheEpoch: 0 })
    .execute();
  const stopped: string[] = [];
  const superseder = createSuperseder({
    store,
    repos,
    announcer: { announce: () => undefined },
    topics: {
      publish: (_topic, jobId) => {
        stopped.push(jobId);
        return Promise.resolve();
      },
      close: () => undefined,
    },
    logger: silentLogger,
  });

  /** A build whose plan, if it has one, says what a newer push does. */
  const build = async (
    move: { readonly before: string; readonly after: string },
    { plan, ...some }: Partial<NewBuild> & { readonly plan?: OnNewerPush | null } = {},
  ): Promise<string> => {
    const made = await store.write((tx) =>
      insertBuild(tx, {
        ...move,
        repo: REPO,
        forge,
        event: "push",
        sha: move.after,
        ref: "refs/heads/main",
        message: "a change",
        authorName: "Dev",
        pusher: "dev1",
        trust: "trusted",
        defaultBranch: "main",
        isReady: true,
        rerunOf: null,
        end: null,
        ...some,
      }),
    );
    if (plan !== undefined) {
      const pipelineJson = JSON.stringify({ v: 2, pipeline: { onNewerPush: plan } });
      await store.db
        .updateTable("builds")
        .set({ pipelineJson })
        .where("id", "=", made.build.id)
        .execute();
    }
    await superseder.consider(made.build.id);
    return made.build.id;
  };
  const states = async () =>
    (
      await store.db.selectFrom("builds").select(["state", "reason"]).orderBy("number").execute()
    ).map(({ state, reason }) => (reason === null ? state : `${state}: ${reason}`));
  const commit = (...parents: string[]): string => {
    const args = parents.flatMap((parent) => ["-p", parent]);
    return git("commit-tree", git("mktree"), ...args, "-m", `commit ${Math.random()}`);
  };
  return {
    store,
    superseder,
    build,
    states,
    commit,
    stopped,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const PULL = {
  event: "pull-request",
  ref: "refs/pull/12/head",
  trust: "internal-pr",
  pullRequest: { number: 12, baseBranch: "main", headBranch: "feature", isFork: false },
} as const;

test("own remote: a descendant ends the older build, where its file says so", async () => {
  await using world = await aWorld("own");
  const { build, commit, states } = world;
  const first = commit();
  const second = commit(first);
  await build({ before: "0".repeat(40), after: first }, { plan: "cancel" });
  await build({ before: first, after: second }, { plan: "cancel" });
  expect(await states()).toEqual(["cancelled: superseded by #2", "queued"]);
});

test("own remote: a force push keeps both", async () => {
  await using world = await aWorld("own");
  const { build, commit, states } = world;
  const [first, other] = [commit(), commit()];
  await build({ before: "0".repeat(40), after: first }, { plan: "cancel" });
  await build({ before: first, after: other }, { plan: "cancel" });
  expect(await states()).toEqual(["queued", "queued"]);
});

test.each([
  { between: 49, older: "cancelled: superseded by #51" },
  { between: 50, older: "queued" },
])("a push looks back over fifty builds: $between lie between", async ({ between, older }) => {
  await using world = await aWorld("own");
  const [first, other] = [world.commit(), world.commit()];
  await world.build({ before: "0".repeat(40), after: first }, { plan: "cancel" });
  for (let count = 0; count < between; count += 1) {
    await world.build({ before: other, after: other });
  }
  await world.build({ before: other, after: world.commit(first) });
  const states = await world.states();
  expect([states[0], new Set(states.slice(1))]).toEqual([older, new Set(["queued"])]);
});

test("a branch keeps its older builds unless its file says otherwise", async () => {
  await using world = await aWorld("github");
  await world.build({ before: A, after: B }, { plan: null });
  await world.build({ before: B, after: C }, { plan: null });
  expect(await world.states()).toEqual(["queued", "queued"]);
});

test("github: a chain of moves proves it, a forced one does not", async () => {
  await using world = await aWorld("github");
  const D = "d".repeat(40);
  await world.build({ before: A, after: B }, { plan: "cancel" });
  // The move from b to c is not known yet, so nothing is proven.
  await world.build({ before: C, after: D }, { plan: "cancel" });
  expect(await world.states()).toEqual(["queued", "queued"]);
  await using forced = await aWorld("github");
  await forced.build({ before: A, after: B }, { plan: "cancel" });
  await forced.build({ before: B, after: C }, { plan: "cancel", isForced: true });
  expect(await forced.states()).toEqual(["queued", "queued"]);
  await using proven = await aWorld("github");
  await proven.build({ before: A, after: B }, { plan: "cancel" });
  await proven.build({ before: B, after: C }, { plan: "keep" });
  await proven.build({ before: C, after: D }, { plan: "keep" });
  expect(await proven.states()).toEqual(["cancelled: superseded by #2", "queued", "queued"]);
});

test("pull requests cancel by default, and keep when told", async () => {
  await using world = await aWorld("github");
  await world.build({ before: A, after: B }, { ...PULL, plan: null });
  await world.build({ before: B, after: C }, PULL);
  expect(await world.states()).toEqual(["cancelled: superseded by #2", "queued"]);
  await using kept = await aWorld("github");
  await kept.build({ before: A, after: B }, { ...PULL, plan: "keep" });
  await kept.build({ before: B, after: C }, PULL);
  expect(await kept.states()).toEqual(["queued", "queued"]);
});

test("a pull request whose branch was forced keeps both", async () => {
  await using world = await aWorld("github");
  await world.build({ before: A, after: B }, { ...PULL, plan: null });
  await world.build({ before: B, after: C }, { ref: "refs/heads/feature", isForced: true });
  await world.build({ before: B, after: C }, PULL);
  expect(await world.states()).toEqual(["queued", "queued", "queued"]);
});

test("a build that is planned after the newer push ends then; its worker is told", async () => {
  await using world = await aWorld("github");
  const { store, superseder, build, states, stopped } = world;
  const first = await build({ before: A, after: B }, PULL);
  await build({ before: B, after: C }, PULL);
  expect(await states()).toEqual(["queued", "queued"]);
  await store.db
    .updateTable("builds")
    .set({
      pipelineJson: JSON.stringify({ v: 2, pipeline: { onNewerPush: null } }),
      state: "running",
    })
    .where("id", "=", first)
    .execute();
  await store.db
    .updateTable("jobs")
    .set({ state: "running" })
    .where("buildId", "=", first)
    .execute();
  await superseder.consider(first);
  expect(stopped).toHaveLength(1);
  const row = await store.db
    .selectFrom("builds")
    .selectAll()
    .where("id", "=", first)
    .executeTakeFirstOrThrow();
  expect(row.cancelRequestedAt).not.toBeNull();
  expect(row.supersededBy).not.toBeNull();
});

test("the next push voids an approval that nobody gave", async () => {
  await using world = await aWorld("github");
  const fork = {
    ...PULL,
    trust: "fork-pr",
    waitReason: "waits for approval",
    mayPublish: false,
  } as const;
  await world.build({ before: A, after: B }, fork);
  await world.build({ before: C, after: A }, fork);
  expect(await world.states()).toEqual(["cancelled: superseded by #2", "queued"]);
});
