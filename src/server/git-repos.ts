import { execFile } from "node:child_process";
import { glob, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { isRepoName, ZERO_SHA } from "../domain/push.ts";
import { initRepo, isThere, removeStaleLocks, setHead, syncFolders } from "./git-files.ts";

const run = promisify(execFile);
const HOOKS = fileURLToPath(new URL("git-hooks", import.meta.url));
const COMMAND_MS = 30_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** Largest push; git ends it by itself beyond that. */
const PUSH_BYTES_MAX = 2 * 1024 ** 3;

/** Settings that no file on this machine and nothing in a repo can change. */
const SETTINGS: Readonly<Record<string, string>> = {
  "core.hooksPath": HOOKS,
  "http.receivepack": "true",
  "receive.advertisePushOptions": "true",
  "receive.fsckObjects": "true",
  "receive.maxInputSize": String(PUSH_BYTES_MAX),
  "receive.denyDeleteCurrent": "ignore",
  "uploadpack.allowReachableSHA1InWant": "true",
  "safe.directory": "*",
  "gc.auto": "0",
  // A push that was taken survives a loss of power: its objects and then its refs are on the disk.
  // "batch" would sync one file for all objects, which only some file systems take for all.
  "core.fsync": "committed,loose-object,derived-metadata,reference",
  "core.fsyncMethod": "fsync",
};

/** git's environment: ours alone, nothing of the machine's or the user's configuration. */
export function gitEnv(path: string | undefined): Record<string, string> {
  const entries = Object.entries(SETTINGS).flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    ...(path === undefined ? {} : { PATH: path }),
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C.UTF-8",
    GIT_CONFIG_COUNT: String(Object.keys(SETTINGS).length),
    ...(Object.fromEntries(entries) as Record<string, string>),
  };
}

export interface CommitFacts {
  readonly sha: string;
  readonly authorName: string;
  readonly message: string;
}

/** git ended by itself: there is no such ref or object. That it could not run is something else. */
function unlessItSaidNo(err: unknown): undefined {
  if (typeof (err as { code?: unknown }).code !== "number") throw err;
}

/** From one commit to another; zeros: there was none. */
export interface RefMove {
  readonly before: string;
  readonly after: string;
}

export type GitRepos = ReturnType<typeof openGitRepos>;

export interface TryRef {
  readonly repo: string;
  readonly ref: string;
  readonly madeAt: number;
}

/** Read from the disk, where each is a file: nothing packs refs here. */
async function listTryRefs(dir: string): Promise<readonly TryRef[]> {
  const found: TryRef[] = [];
  for await (const path of glob("*/*.git/refs/tatara/try/*", { cwd: dir })) {
    const [owner = "", name = "", ...ref] = path.split("/");
    const facts = await stat(join(dir, path)).catch(() => undefined);
    if (facts === undefined) continue;
    const repo = `${owner}/${name.replace(/\.git$/, "")}`;
    found.push({ repo, ref: ref.join("/"), madeAt: facts.mtimeMs });
  }
  return found;
}

function gitInit(dir: string, env: Record<string, string>) {
  return run("git", ["init", "--quiet", "--bare", "--template=", dir], {
    env,
    timeout: COMMAND_MS,
  });
}

async function listRepos(dir: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const path of glob("*/*.git", { cwd: dir })) found.push(path.slice(0, -".git".length));
  return found.filter(isRepoName).toSorted();
}

/** The bare repositories behind the own remote. */
export function openGitRepos({ dir, path }: { readonly dir: string; readonly path: string }) {
  const env = gitEnv(path);
  const dirOf = (repo: string): string => {
    if (!isRepoName(repo))
      throw new Error("A repo's name was not checked before it became a path.");
    return join(dir, `${repo}.git`);
  };
  const git = async (repo: string, args: readonly string[]): Promise<string> => {
    const options = { env, timeout: COMMAND_MS, maxBuffer: OUTPUT_BYTES_MAX };
    const { stdout } = await run("git", ["--git-dir", dirOf(repo), ...args], options);
    return stdout;
  };
  const exists = (repo: string): Promise<boolean> => isThere(join(dirOf(repo), "HEAD"));
  /** Repos that are being made, so that the first two pushes do not make one each. */
  const making = new Map<string, Promise<void>>();

  return {
    dir,
    env,
    exists,
    /** Creates an empty repo; harmless when it exists. */
    create: async (repo: string): Promise<void> => {
      if (await exists(repo)) return;
      const made = making.get(repo) ?? initRepo(dirOf(repo), (made) => gitInit(made, env));
      making.set(repo, made);
      await made.finally(() => making.delete(repo));
    },
    /** Resolves when no loss of power can take what git has made in the repo in so much time. */
    sync: (repo: string, withinMs: number) => syncFolders(dirOf(repo), withinMs),
    /** For a moment at which no git of ours writes to the repo. */
    removeStaleLocks: (repo: string) => removeStaleLocks(dirOf(repo), Date.now()),
    /** The commit behind `object` (tags peeled); undefined when it is not in the repo. */
    commitOf: async (repo: string, object: string): Promise<CommitFacts | undefined> => {
      const format = "--format=%H%x00%an%x00%B";
      const args = ["log", "-1", "--no-show-signature", format, "--end-of-options", object];
      const text = await git(repo, args).catch(() => "");
      const [sha, authorName, message] = text.split("\0");
      if (sha === undefined || authorName === undefined || message === undefined) return undefined;
      return { sha, authorName, message: message.trim() };
    },
    /**
     * Did the ref come to name `after`, now or on its way to a newer commit? Throws when git cannot
     * say: a push that was accepted is not given up for that.
     */
    hasMoved: async (repo: string, ref: string, after: string): Promise<boolean> => {
      const parse = ["rev-parse", "--verify", "--quiet", "--end-of-options", ref];
      const now = await git(repo, parse).catch(unlessItSaidNo);
      if (now?.trim() === after) return true;
      if (now === undefined) return false;
      const args = ["merge-base", "--is-ancestor", "--end-of-options", after, ref];
      return (await git(repo, args).catch(unlessItSaidNo)) !== undefined;
    },
    /** The commit that a ref or sha names; undefined: there is none. Throws when git cannot say. */
    resolve: async (repo: string, object: string): Promise<CommitFacts | undefined> => {
      const verify = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
      const sha = await git(repo, [...verify, `${object}^{commit}`]).catch(unlessItSaidNo);
      if (sha === undefined) return undefined;
      const args = ["log", "-1", "--no-show-signature", "--format=%H%x00%an%x00%B", sha.trim()];
      const [found = "", authorName = "", message = ""] = (await git(repo, args)).split("\0");
      return { sha: found, authorName, message: message.trim() };
    },
    /** Is one commit part of the other's history? False also when one of them is not here. */
    isAncestor: async (repo: string, older: string, newer: string): Promise<boolean> => {
      const args = ["merge-base", "--is-ancestor", "--end-of-options", older, newer];
      return (await git(repo, args).catch(unlessItSaidNo)) !== undefined;
    },
    /** Is all here that a push brought? Throws when git cannot say. */
    isWhole: async (repo: string, { before, after }: RefMove): Promise<boolean> => {
      const brought = ZERO_SHA.test(before) ? [after] : [after, `^${before}`];
      const args = ["rev-list", "--objects", "--quiet", ...brought];
      return (await git(repo, args).catch(unlessItSaidNo)) !== undefined;
    },
    /** Takes a push back whose objects a loss of power took, if its ref still is where it led. */
    moveBack: async (repo: string, ref: string, { before, after }: RefMove): Promise<void> => {
      // The git that held them went with the power.
      await removeStaleLocks(dirOf(repo), Date.now(), -Infinity);
      const change = ZERO_SHA.test(before) ? ["-d", ref, after] : [ref, before, after];
      await git(repo, ["update-ref", ...change]);
    },
    /** Harmless when there is no such ref. */
    deleteRef: async (repo: string, ref: string): Promise<void> => {
      await git(repo, ["update-ref", "-d", ref]);
    },
    /** Every repo that anything was ever pushed to. */
    names: () => listRepos(dir),
    /** What its branches and tags name; nothing of a repo that git has not made yet. */
    refs: async (
      repo: string,
    ): Promise<readonly { readonly ref: string; readonly sha: string }[]> => {
      const format = "--format=%(objectname) %(refname)";
      const args = ["for-each-ref", format, "refs/heads", "refs/tags"];
      const text = (await git(repo, args).catch(unlessItSaidNo)) ?? "";
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => ({
          sha: line.slice(0, line.indexOf(" ")),
          ref: line.slice(line.indexOf(" ") + 1),
        }));
    },
    /** Every ref of every try that is still there, and when it was made. */
    tryRefs: () => listTryRefs(dir),
    /** HEAD is the first branch that was pushed. */
    setHead: (repo: string, branch: string) => setHead(dirOf(repo), branch),
  };
}
