import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readChanges } from "../../workers/build/source/changes.ts";
import type { ChangesFacts } from "../../workers/build/source/changes.ts";
import { refuseOptions } from "../../workers/build/steps/checkout.ts";
import { aMonorepo, aPipeline } from "../support/a-pipeline.ts";
import { never, startCheckoutRig } from "../support/checkout-rig.ts";
import type { CheckoutRig } from "../support/checkout-rig.ts";
import type { ForgeRepo } from "../support/git-host.ts";

const TWO = aMonorepo([
  { name: "api", path: "api" },
  { name: "web", path: "web" },
]);

let rig: CheckoutRig;
let repo: ForgeRepo;
let first: string;
let second: string;
beforeEach(async () => {
  rig = await startCheckoutRig();
  repo = await rig.repo({ "api/a": "1", "web/w": "1" });
  first = (await repo.commit({ "api/a": "2" })).sha ?? "";
  second = (await repo.commit({ "web/w": "2", "é ü.md": "x" })).sha ?? "";
});
afterEach(() => rig[Symbol.asyncDispose]());

async function changes(
  pipeline: typeof TWO,
  some: Partial<Omit<ChangesFacts, "build">> & { readonly build?: Partial<ChangesFacts["build"]> },
) {
  const sha = some.sha ?? second;
  const ref = some.build?.ref?.startsWith("refs/heads/") ? some.build.ref : "refs/heads/main";
  const request = rig.requestFor(repo, { sha, ref });
  const { gitDir } = await rig.mirrors.fetch(request, never);
  const build = {
    ref,
    event: "push" as const,
    defaultBranch: "main",
    pullRequest: null,
    ...some.build,
  };
  const headOf = (branch: string) => rig.mirrors.headOf(branch, request, never);
  const facts = { sha, passedAt: {}, headOf, ...some, build };
  return await readChanges(pipeline, facts, { git: rig.git, gitDir }, never);
}

describe("what changed", () => {
  test("is told since each project passed on this branch", async () => {
    const parent = "web";
    expect(await changes(TWO, { passedAt: { [parent]: first, api: second } })).toEqual({
      web: ["web/w", "é ü.md"].toSorted(),
      api: [],
    });
  });

  test("of a new branch is told since it left the default branch", async () => {
    const sha = (await repo.commit({ "api/new": "n" }, { branch: "topic" })).sha ?? "";

    const found = await changes(TWO, { sha, build: { ref: "refs/heads/topic" } });

    expect(found).toEqual({ api: ["api/new"], web: ["api/new"] });
  });

  test("of a pull request is told since the merge base, whatever passed before", async () => {
    const sha = (await repo.commit({ "web/new": "n" }, { branch: "topic" })).sha ?? "";
    const pullRequest = { number: 1, baseBranch: "main", headBranch: "topic", isFork: false };

    const build = { ref: "refs/heads/topic", event: "pull-request", pullRequest } as const;
    const found = await changes(TWO, { sha, build, passedAt: { api: first } });

    expect(found).toEqual({ api: ["web/new"], web: ["web/new"] });
  });

  test.each<[string, Parameters<typeof changes>[1]]>([
    ["a tag", { build: { ref: "refs/tags/v1" } }],
    ["a schedule", { build: { event: "schedule" } }],
    ["a build by hand", { build: { event: "manual" } }],
    ["a commit that is gone", { passedAt: { api: "0".repeat(40), web: "0".repeat(40) } }],
    ["the default branch's first build", {}],
  ])("of %s cannot be told: everything counts as changed", async (_what, some) => {
    expect(await changes(TWO, some)).toEqual({ api: null, web: null });
  });

  test("is not asked of git where no rule reads it", async () => {
    expect(await changes(aPipeline(), { passedAt: { "": first } })).toEqual({ "": null });
  });
});

describe("what a checkout cannot fetch yet is refused in so many words", () => {
  test("Git LFS", async () => {
    const push = await repo.commit({ "docs/.gitattributes": "*.bin filter=lfs -text\n" });
    const commit = await rig.checkOut(rig.requestFor(repo, push));

    const refused = refuseOptions({ submodules: true, lfs: true }, commit, never);

    await expect(refused).rejects.toMatchObject({
      code: "CHECKOUT_UNSUPPORTED",
      file: "docs/.gitattributes",
    });
    await refuseOptions({ submodules: true, lfs: false }, commit, never);
  });
});
