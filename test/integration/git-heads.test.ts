import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openGitHeads } from "../../src/server/git-heads.ts";
import { openGitRepos } from "../../src/server/git-repos.ts";
import { startGitHttp } from "../support/git-http.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";

const TOKEN = "a-read-token-of-the-tests";
const BASIC = `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString("base64")}`;
const repo = { name: "acme/hello", forge: "github" } as const;

async function aForge() {
  const stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "tatara-heads-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const work = stack.use(await aGitWorkTree());
  const sha = await work.commit({ "a.txt": "1" }, "first");
  await work.git("tag", "-a", "v1", "-m", "one");
  await work.git("clone", "--quiet", "--bare", work.dir, join(dir, "repos", "acme", "hello.git"));
  const http = stack.use(await startGitHttp(dir));
  const path = process.env["PATH"] ?? "";
  const repos = openGitRepos({ dir, path });
  const heads = (githubReadToken?: string) =>
    openGitHeads({ repos, path, githubUrl: http.url, githubReadToken });
  return { http, sha, heads, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("a forge's branch and annotated tag lead to their commit", async () => {
  await using forge = await aForge();
  const heads = forge.heads();
  const found = { sha: forge.sha, authorName: "", message: "" };
  expect(await heads.headOf(repo, "refs/heads/main")).toEqual(found);
  expect(await heads.headOf(repo, "refs/tags/v1")).toEqual(found);
  expect(await heads.headOf(repo, "refs/heads/none")).toBeUndefined();
});

test("the read token is shown to the forge alone", async () => {
  await using forge = await aForge();
  forge.http.credential = BASIC;
  expect(await forge.heads(TOKEN).headOf(repo, "refs/heads/main")).toMatchObject({
    sha: forge.sha,
  });
  expect(forge.http.seen).toContain(BASIC);
  await expect(forge.heads().headOf(repo, "refs/heads/main")).rejects.toThrow();
});

test("what cannot be asked is thrown, and never a missing ref; no redirect is followed", async () => {
  await using forge = await aForge();
  forge.http.answerWith = { status: 503 };
  await expect(forge.heads().headOf(repo, "refs/heads/main")).rejects.toThrow();
  forge.http.answerWith = { status: 302, headers: { location: "http://127.0.0.1:1/x" } };
  await expect(forge.heads().headOf(repo, "refs/heads/main")).rejects.toThrow("302");
});
