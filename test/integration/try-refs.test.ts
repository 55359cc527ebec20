import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tryRef } from "../../src/domain/push.ts";
import { openGitRepos } from "../../src/server/git-repos.ts";
import { cancelBuild } from "../../src/server/store/builds.ts";
import { sweepTryRefs } from "../../src/server/try-refs.ts";
import { aPush, aStore } from "../support/a-store.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { accept } from "../support/store-rig.ts";

test("the ref of a try goes when its build has ended; branches and running tries stay", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-try-refs-"));
  try {
    await using held = await aStore();
    await using tree = await aGitWorkTree();
    const { store } = held;
    const gitRepos = openGitRepos({ dir, path: process.env["PATH"] ?? "" });
    await gitRepos.create("acme/hello");
    const sha = await tree.commit({ file: "text\n" }, "first");
    const refs = [tryRef("a".repeat(20)), tryRef("b".repeat(20)), "refs/heads/main"];
    const pushed = await tree.git(
      "push",
      join(dir, "acme/hello.git"),
      ...refs.map((ref) => `HEAD:${ref}`),
    );
    expect(pushed).toMatchObject({ code: 0 });
    const tries = [];
    for (const ref of refs.slice(0, 2)) {
      const tried = { steps: null, isFresh: false };
      const push = aPush({ forge: "own", ref, after: sha, sha, trust: "manual", tried });
      tries.push(await accept(store, push, { bodyDigest: null }));
    }
    const ended = tries[0]?.made?.build.id ?? "";
    await store.write((tx) => cancelBuild(tx, ended, "admin"));

    await sweepTryRefs({ store, gitRepos, logger: silentLogger });
    await sweepTryRefs({ store, gitRepos, logger: silentLogger });

    const listed = await tree.git("ls-remote", join(dir, "acme/hello.git"));
    expect(listed.output).not.toContain(refs[0]);
    expect(listed.output).toContain(refs[1]);
    expect(listed.output).toContain("refs/heads/main");
    expect(tries.map(({ made }) => made?.build)).toMatchObject([
      { event: "try", mayPublish: 0, trust: "manual" },
      { event: "try", mayPublish: 0, trust: "manual" },
    ]);
    expect(tries.map(({ made }) => made?.statusId)).toEqual([undefined, undefined]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test("a try comes through our own remote and leaves a repo with the forge that it has", async () => {
  await using held = await aStore();
  const { store } = held;
  const tried = { steps: ["unit"], isFresh: true };
  const aTry = (random: string) =>
    aPush({ forge: "own", ref: tryRef(random.repeat(20)), defaultBranch: undefined, tried });
  const repo = () => store.db.selectFrom("repos").select(["forge", "defaultBranch"]).execute();

  const { made } = await accept(store, aTry("a"), { bodyDigest: null });
  const unheard = await repo();
  await accept(store, aPush());
  await accept(store, aTry("b"), { bodyDigest: null });

  expect(unheard).toEqual([{ forge: "own", defaultBranch: null }]);
  expect(await repo()).toEqual([{ forge: "github", defaultBranch: "main" }]);
  expect(made?.build).toMatchObject({ forge: "own", stepsJson: '["unit"]', isFresh: 1 });
});
