import { describe, expect, test } from "vitest";
import { ANY_BRANCH, cacheWish } from "../../../../../workers/build/cache/cache-key.ts";
import type { CacheFacts } from "../../../../../workers/build/cache/cache-key.ts";

const ENTRIES = [
  { path: "package-lock.json", kind: "file", sizeBytes: 1, blob: "aaa" },
  { path: "src/a.js", kind: "file", sizeBytes: 1, blob: "bbb" },
] as const;

function facts(
  some: Partial<CacheFacts> = {},
  build: Partial<CacheFacts["build"]> = {},
): CacheFacts {
  return {
    build: {
      id: "b",
      repo: "acme/hello",
      number: 1,
      sha: "a".repeat(40),
      ref: "refs/heads/main",
      defaultBranch: "main",
      event: "push",
      pullRequest: null,
      trust: "trusted",
      url: "http://ci/1",
      ...build,
    },
    spec: { project: "", projectPath: "" },
    step: { cache: { paths: ["~/.npm"], keyFiles: null }, user: "image" },
    planned: { step: null, key: "k", image: { kind: "named", name: "node:24", pull: "missing" } },
    image: { id: "i", user: "", env: [], workingDir: "/", digest: "sha256:1" },
    entries: ENTRIES,
    epoch: 0,
    ...some,
  };
}

const pullRequest = { number: 12, baseBranch: "main", headBranch: "topic", isFork: false };

describe("the key", () => {
  const same = cacheWish(facts());
  const other = { ...facts().image, digest: "sha256:2" };
  const [lock, source] = ENTRIES;

  test("does not change with a source file", () => {
    expect(cacheWish(facts({ entries: [lock, { ...source, blob: "ccc" }] }))).toEqual(same);
  });

  test.each<[string, Partial<CacheFacts>, boolean]>([
    ["a lock file", { entries: [{ ...lock, blob: "ccc" }, source] }, true],
    ["the image", { image: other }, true],
    ["the epoch", { epoch: 1 }, false],
    ["the paths", { step: { cache: { paths: ["~/.m2"], keyFiles: null }, user: "image" } }, false],
    ["the user", { step: { cache: { paths: ["~/.npm"], keyFiles: null }, user: "ci" } }, false],
    ["the project", { spec: { project: "api", projectPath: "" } }, false],
  ])("changes with %s", (_what, some, isSameFamily) => {
    const wish = cacheWish(facts(some));

    expect(wish?.key).not.toBe(same?.key);
    expect(wish?.family === same?.family).toBe(isSameFamily);
  });

  test("is of the project's lock files alone, or of the files that are named", () => {
    const elsewhere = { path: "web/yarn.lock", kind: "file", sizeBytes: 1, blob: "ddd" } as const;
    const spec = { project: "api", projectPath: "services/api" };
    const cache = { paths: ["~/.npm"], keyFiles: ["web/**"] };

    expect(cacheWish(facts({ spec, entries: [...ENTRIES, elsewhere] }))?.key).toBe(
      cacheWish(facts({ spec }))?.key,
    );
    const step = { cache, user: "image" } as const;
    expect(cacheWish(facts({ step, entries: [...ENTRIES, elsewhere] }))?.key).not.toBe(
      cacheWish(facts({ step }))?.key,
    );
  });
});

describe("whose entries are read and written", () => {
  test.each<[string, Partial<CacheFacts["build"]>, readonly string[], string | null]>([
    ["a push to the default branch", {}, ["branch main", ANY_BRANCH], "branch main"],
    [
      "a push to another branch",
      { ref: "refs/heads/next" },
      ["branch next", "branch main", ANY_BRANCH],
      "branch next",
    ],
    ["a tag", { ref: "refs/tags/v1" }, ["branch main", ANY_BRANCH], null],
    [
      "a pull request of the repo",
      { trust: "internal-pr", pullRequest, ref: "refs/pull/12/head" },
      ["pr 12", "branch main"],
      "pr 12",
    ],
    [
      "a fork's pull request",
      { trust: "fork-pr", pullRequest: { ...pullRequest, isFork: true }, ref: "refs/pull/12/head" },
      ["branch main"],
      null,
    ],
    ["a build started by hand", { trust: "manual" }, ["branch main", ANY_BRANCH], null],
  ])("by %s", (_what, build, reads, writes) => {
    expect(cacheWish(facts({}, build))).toMatchObject({ reads, writes });
  });
});
