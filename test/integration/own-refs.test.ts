import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { GitRemoteDeps } from "../../src/server/git-remote.ts";
import { settleUnreadyBuilds } from "../../src/server/settle-pushes.ts";
import { openGitRepos } from "../../src/server/git-repos.ts";
import { openIntake } from "../../src/server/intake.ts";
import { takeUpMovedRefs } from "../../src/server/own-refs.ts";
import { createSuperseder } from "../../src/server/superseder.ts";
import { processEnv } from "../../src/shared/config.ts";
import { aStore } from "../support/a-store.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import { silentLogger } from "../support/silent-logger.ts";

const REPO = "acme/hello";
const MAIN = "refs/heads/main";
const ZEROS = "0".repeat(40);

/** The remote's folder and records, with nobody in between who would keep them equal. */
async function aRemote() {
  const held = await aStore();
  const dir = await mkdtemp(join(tmpdir(), "tatara-refs-"));
  const tree = await aGitWorkTree({ token: "none" });
  onTestFinished(async () => {
    await tree[Symbol.asyncDispose]();
    await held[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  const { store } = held;
  const announcer = { announce: () => undefined };
  const repos = openGitRepos({ dir, path: processEnv()["PATH"] ?? "" });
  const topics = { publish: () => Promise.resolve(), close: () => undefined };
  const superseder = createSuperseder({ store, repos, announcer, topics, logger: silentLogger });
  const stopJobs = () => undefined;
  const deps: GitRemoteDeps = {
    repos,
    superseder,
    store,
    announcer,
    intake: openIntake({ store, announcer, superseder, stopJobs, waitingBuildsMax: 10 }),
    logger: silentLogger,
    patterns: ["*"],
    newId: store.newId,
    hasRoom: () => Promise.resolve(true),
    disk: { note: () => false, noteWords: () => undefined },
    identify: () => Promise.resolve(undefined),
    buildUrl: () => "",
  };
  await repos.create(REPO);
  /** Past the server: its hook hears nothing of it. */
  const moveRef = async (...refspecs: readonly string[]): Promise<void> => {
    const { code, output } = await tree.git("push", join(dir, `${REPO}.git`), ...refspecs);
    if (code !== 0) throw new Error(output);
  };
  /** The hook's half of a push, after which the server was killed. */
  const record = (before: string, after: string) =>
    deps.intake.accept({
      forge: "own",
      deliveryId: store.newId("push"),
      bodyDigest: null,
      event: "push",
      push: {
        forge: "own",
        repo: REPO,
        ref: MAIN,
        before,
        after,
        sha: undefined,
        pusher: "dev",
        trust: "trusted",
        defaultBranch: undefined,
        message: "",
        authorName: "",
      },
    });
  const builds = () =>
    store.db
      .selectFrom("builds")
      .select(["number", "ref", "before", "after", "sha", "state", "reason", "isReady", "pusher"])
      .orderBy("createdAt")
      .orderBy("number")
      .execute();
  const commit = (text: string) => tree.commit({ "README.md": text }, text);
  /** As a disk does that lost power before it wrote the object's name. */
  const lose = async (object: string): Promise<void> => {
    const { output } = await tree.git("rev-parse", object);
    const sha = output.trim();
    await rm(join(dir, `${REPO}.git`, "objects", sha.slice(0, 2), sha.slice(2)));
  };
  return { deps, moveRef, record, builds, commit, lose };
}

test("a ref that moved without a record becomes one push, and what is recorded is left alone", async () => {
  const { deps, moveRef, record, builds, commit } = await aRemote();
  const first = await commit("first");
  await moveRef("main");
  await record(ZEROS, first);
  await settleUnreadyBuilds(deps, { isStarting: true });
  await takeUpMovedRefs(deps);
  expect(await builds()).toMatchObject([{ after: first, isReady: 1, state: "queued" }]);

  const second = await commit("second");
  await moveRef("main", "main:refs/heads/side", "main:refs/tatara/try/x");
  await takeUpMovedRefs(deps);
  await takeUpMovedRefs(deps);

  expect((await builds()).slice(1)).toMatchObject([
    { ref: MAIN, before: first, after: second, sha: second, isReady: 1, pusher: "found by sweep" },
    { ref: "refs/heads/side", before: ZEROS, after: second, sha: second, isReady: 1 },
  ]);
});

test("a backend that outlived its server moves the ref after the push was given up: it is built", async () => {
  const { deps, moveRef, record, builds, commit } = await aRemote();
  const first = await commit("first");
  await record(ZEROS, first);
  await settleUnreadyBuilds(deps, { isStarting: true });
  expect(await builds()).toMatchObject([{ state: "skipped", reason: "the ref was never updated" }]);
  await takeUpMovedRefs(deps);
  expect(await builds()).toHaveLength(1);

  await moveRef("main");
  await takeUpMovedRefs(deps);
  await takeUpMovedRefs(deps);

  expect((await builds()).slice(1)).toMatchObject([
    { before: ZEROS, after: first, sha: first, isReady: 1, state: "queued", pusher: "dev" },
  ]);
});

test("a ref moves back whose objects a loss of power took, so that the push can be made again", async () => {
  const { deps, moveRef, record, builds, commit, lose } = await aRemote();
  const first = await commit("first");
  await record(ZEROS, first);
  await moveRef("main");
  await settleUnreadyBuilds(deps, { isStarting: true });
  const second = await commit("second");
  await record(first, second);
  await moveRef("main");
  await lose(`${second}:README.md`);
  // git holds this one while it moves a ref that HEAD names.
  await writeFile(join(deps.repos.dir, `${REPO}.git`, "HEAD.lock"), "");

  await settleUnreadyBuilds(deps, { isStarting: true });

  expect(await deps.repos.refs(REPO)).toEqual([{ ref: MAIN, sha: first }]);
  expect((await builds()).slice(1)).toMatchObject([
    { after: second, state: "skipped", reason: "the ref was never updated" },
  ]);
  await moveRef("main");
  await takeUpMovedRefs(deps);
  expect((await builds()).slice(2)).toMatchObject([{ after: second, sha: second, isReady: 1 }]);
});
