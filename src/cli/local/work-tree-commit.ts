import { copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Env } from "../../shared/config.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { git, tryGit } from "./git-command.ts";

/** A folder's files as a commit that no ref of the person's repository knows. */
export interface WorkTreeCommit {
  /** A bare repository of ours with the commit; everything older is borrowed from the person's own. */
  readonly gitDir: string;
  /** Of the person's working tree. */
  readonly root: string;
  readonly sha: string;
  /** The commit that is checked out; null before the first one. */
  readonly head: string | null;
  /** Null: none is checked out. */
  readonly branch: string | null;
  /** Nothing differs from `head`, so `sha` is that very commit. */
  readonly isClean: boolean;
  readonly subject: string;
}

/** Of whose folder nothing is touched: neither index nor refs, nor files, nor the store of objects. */
interface Source {
  readonly root: string;
  readonly objects: string;
  readonly index: string;
  readonly shallow: string;
  readonly format: string;
  readonly head: string | null;
  readonly branch: string | null;
}

interface Call {
  readonly env: Env;
  readonly signal: AbortSignal;
}

/**
 * Commits what is tracked and what is new and not ignored, below `dir`. An index of our own, copied from
 * the person's, makes it as fast as `git status`.
 */
export async function commitWorkTree(
  cwd: string,
  dir: string,
  call: Call,
): Promise<WorkTreeCommit> {
  const source = await readSource(cwd, call);
  const gitDir = await makeBorrowing(source, dir, call);
  const { head, branch, root } = source;
  const tree = await writeTree(source, { gitDir, dir }, call);
  const at = { ...call, cwd: root };
  const headTree = head === null ? null : await git(["rev-parse", `${head}^{tree}`], at);
  if (head !== null && headTree === tree) {
    const subject = await git(["log", "-1", "--format=%s", head], at);
    return { gitDir, root, sha: head, head, branch, isClean: true, subject };
  }
  const where = branch ?? "a detached HEAD";
  const subject = `The working tree of ${where}${head === null ? "" : `, at ${head.slice(0, 7)}`}`;
  const parent = head === null ? [] : ["-p", head];
  const env = { ...call.env, ...storeOf(source, gitDir), ...(await authorOf(at)) };
  const sha = await git(["commit-tree", tree, ...parent, "-m", subject], { ...at, env });
  return { gitDir, root, sha, head, branch, isClean: false, subject };
}

/** A commit that the person's repository has; undefined: it has not. */
export async function borrowCommit(
  cwd: string,
  { dir, sha }: { readonly dir: string; readonly sha: string },
  call: Call,
): Promise<string | undefined> {
  const source = await readSource(cwd, call).catch(() => undefined);
  if (source === undefined) return undefined;
  const found = await tryGit(["cat-file", "-e", `${sha}^{commit}`], { ...call, cwd: source.root });
  return found === undefined ? undefined : await makeBorrowing(source, dir, call);
}

async function readSource(cwd: string, { env, signal }: Call): Promise<Source> {
  const at = { cwd, env, signal };
  const root = await tryGit(["rev-parse", "--show-toplevel"], at);
  if (root === undefined || root === "") {
    throw new CommandError(
      EXIT.usage,
      "This folder belongs to no git repository, so nobody can say what its files are.",
      "git init, then try again",
    );
  }
  const there = { ...at, cwd: root };
  const path = async (name: string): Promise<string> =>
    resolve(root, await git(["rev-parse", "--git-path", name], there));
  return {
    root,
    objects: await path("objects"),
    index: await path("index"),
    shallow: await path("shallow"),
    format: (await tryGit(["rev-parse", "--show-object-format"], there)) ?? "sha1",
    head: (await tryGit(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], there)) ?? null,
    branch: (await tryGit(["symbolic-ref", "--short", "--quiet", "HEAD"], there)) ?? null,
  };
}

/** Like a worker's mirror: two bare repositories, of which the second honours the files' own attributes. */
async function makeBorrowing(source: Source, dir: string, call: Call): Promise<string> {
  const { objects, format, shallow, root } = source;
  const gitDir = join(dir, "repo.git");
  await mkdir(dir, { recursive: true });
  for (const folder of [gitDir, join(gitDir, "source")]) {
    const init = ["init", "--quiet", "--bare", "--template=", `--object-format=${format}`, folder];
    await git(init, { ...call, cwd: dir });
  }
  await mkdir(join(gitDir, "info"), { recursive: true });
  await writeFile(join(gitDir, "info", "attributes"), "* -export-ignore -export-subst\n");
  await lend(gitDir, [objects]);
  await lend(join(gitDir, "source"), [join(gitDir, "objects"), objects]);
  for (const folder of [gitDir, join(gitDir, "source")]) {
    await copyFile(shallow, join(folder, "shallow")).catch(unlessMissing);
  }
  const list = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"];
  const tags = await git(list, { ...call, cwd: root });
  // Versions of packages are read from tags.
  await writeFile(join(gitDir, "packed-refs"), tags === "" ? "" : `${tags}\n`);
  return gitDir;
}

async function lend(gitDir: string, from: readonly string[]): Promise<void> {
  const info = join(gitDir, "objects", "info");
  await mkdir(info, { recursive: true });
  await writeFile(join(info, "alternates"), from.map((path) => `${path}\n`).join(""));
}

async function writeTree(
  source: Source,
  { gitDir, dir }: { readonly gitDir: string; readonly dir: string },
  call: Call,
): Promise<string> {
  const index = join(dir, "index");
  // Without one (a new repository) git begins an empty one.
  if (await stat(source.index).catch(() => undefined)) await copyFile(source.index, index);
  const env = { ...call.env, ...storeOf(source, gitDir), GIT_INDEX_FILE: index };
  const at = { cwd: source.root, env, signal: call.signal };
  const quiet = ["-c", "advice.addEmbeddedRepo=false", "-c", "core.safecrlf=false"];
  await git([...quiet, "add", "--all", "--", "."], at);
  return await git(["write-tree"], at);
}

function storeOf({ objects }: Source, gitDir: string): Record<string, string> {
  return {
    GIT_OBJECT_DIRECTORY: join(gitDir, "objects"),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
  };
}

/** Git refuses to commit for nobody, and a build server may have no name for its user. */
async function authorOf(at: Parameters<typeof git>[1]): Promise<Record<string, string>> {
  const name = (await tryGit(["config", "user.name"], at)) ?? "tatara";
  const email = (await tryGit(["config", "user.email"], at)) ?? "tatara@localhost";
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
  };
}

function unlessMissing(err: unknown): void {
  if (!(err instanceof Error && "code" in err && err.code === "ENOENT")) throw err;
}
