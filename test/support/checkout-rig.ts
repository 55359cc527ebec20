import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { readCommit } from "../../workers/build/source/commit.ts";
import type { Commit } from "../../workers/build/source/commit.ts";
import { openGit } from "../../workers/build/source/git.ts";
import type { Git } from "../../workers/build/source/git.ts";
import { openMirrors } from "../../workers/build/source/mirrors.ts";
import type { FetchRequest } from "../../workers/build/source/fetch-commit.ts";
import type { Mirrors } from "../../workers/build/source/mirrors.ts";
import { repack } from "../../workers/build/source/tree-tar.ts";
import { createRepo } from "./git-host.ts";
import type { Files, ForgeRepo } from "./git-host.ts";
import { startGitHttp } from "./git-http.ts";
import type { GitHttp } from "./git-http.ts";

export const never = new AbortController().signal;

/** The worker's own git and mirrors, and a git host to fetch from. */
export interface CheckoutRig extends AsyncDisposable {
  readonly dir: string;
  readonly git: Git;
  readonly http: GitHttp;
  readonly mirrors: Mirrors;
  repo(files: Files): Promise<ForgeRepo>;
  requestFor(
    repo: ForgeRepo,
    wanted: { readonly sha: string | null | undefined; readonly ref?: string },
  ): FetchRequest;
  checkOut(request: FetchRequest): Promise<Commit>;
}

export async function startCheckoutRig(): Promise<CheckoutRig> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-checkout-"));
  const git = openGit({ path: process.env["PATH"] ?? "" });
  const http = await startGitHttp(dir);
  const mirrors = openMirrors({ dir: join(dir, "mirrors"), git, httpPrefixes: [http.url] });
  let repos = 0;
  return {
    dir,
    git,
    http,
    mirrors,
    repo: (files) => createRepo(dir, `acme/hello-${(repos += 1)}`, { files }),
    requestFor: (repo, { sha, ref = "refs/heads/main" }) => {
      const url = `${http.url}/${repo.name}.git`;
      return { repo: repo.name, url, authorization: null, ref, sha: sha ?? "" };
    },
    checkOut: async (request) => readCommit(git, await mirrors.fetch(request, never), never),
    [Symbol.asyncDispose]: async () => {
      await http[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Files of a tar: name → "mode uid:gid content". */
export async function filesIn(tar: Readable): Promise<Record<string, string>> {
  const entries = extract();
  tar.on("error", (err) => entries.destroy(err)).pipe(entries);
  const found: Record<string, string> = {};
  for await (const entry of entries) {
    const { name, type, mode, uid, gid, linkname } = entry.header;
    const content = type === "symlink" ? `-> ${linkname}` : (await buffer(entry)).toString();
    if (type !== "directory") found[name] = `${mode.toString(8)} ${uid}:${gid} ${content}`;
  }
  return found;
}

/** The tree as it enters a workspace of user 1000. */
export function treeOf(commit: Commit): Promise<Record<string, string>> {
  return filesIn(repack(commit.openTree(never), { uid: 1000, gid: 1000 }));
}

/** Git as somebody with bad intentions would use it. */
export function rawGit(cwd: string, ...args: readonly string[]): string {
  const env = {
    PATH: process.env["PATH"],
    GIT_AUTHOR_NAME: "Eve",
    GIT_AUTHOR_EMAIL: "eve@example.com",
    GIT_COMMITTER_NAME: "Eve",
    GIT_COMMITTER_EMAIL: "eve@example.com",
    GIT_CONFIG_GLOBAL: "/dev/null",
  };
  return execFileSync("git", args, { cwd, env, input: "" }).toString().trim();
}
