import { execFile } from "node:child_process";
import { promisify } from "node:util";

const GIT_TIMEOUT_MS = 5_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const run = promisify(execFile);

/** What git knows about the current folder. */
export interface GitFolder {
  readonly repo: string | undefined;
  readonly branch: string | undefined;
}

export async function readGitFolder(cwd: string): Promise<GitFolder> {
  const remotes = parseRemotes((await git(cwd, ["remote", "-v"])) ?? "");
  return {
    repo: chooseRepo(remotes),
    branch: await git(cwd, ["symbolic-ref", "--short", "-q", "HEAD"]),
  };
}

export interface WorkTree {
  readonly root: string;
  /** Paths from the root: what is tracked, and what is new and not ignored. */
  readonly files: readonly string[];
  readonly shortSha: string;
  /** Tags of its commit. */
  readonly tags: readonly string[];
}

/** The work tree around a folder as a push would send it; undefined outside of any repository. */
export async function readWorkTree(cwd: string): Promise<WorkTree | undefined> {
  // From the root, wherever in the work tree `cwd` is; side by side, since each is a process.
  const list = ["ls-files", "-z", "--full-name", "--cached", "--others", "--exclude-standard"];
  const [root, names = "", shortSha = "the work tree", tags = ""] = await Promise.all([
    git(cwd, ["rev-parse", "--show-toplevel"]),
    git(cwd, [...list, "--deduplicate", "--", ":/"]),
    git(cwd, ["rev-parse", "--short=7", "HEAD"]),
    git(cwd, ["for-each-ref", "--points-at=HEAD", "--format=%(refname:strip=2)", "refs/tags"]),
  ]);
  if (root === undefined) return undefined;
  const files = names.split("\0").filter(Boolean);
  return { root, shortSha, files, tags: tags.split("\n").filter(Boolean) };
}

/** What git took for the branch of a clone when it was made; undefined: nobody told it. */
export async function readDefaultBranch(cwd: string): Promise<string | undefined> {
  const ref = await git(cwd, ["symbolic-ref", "-q", "refs/remotes/origin/HEAD"]);
  return ref?.replace(/^refs\/remotes\/origin\//, "");
}

/** What a changelog and a version are made from. */
export interface FolderHistory {
  readonly subjects: readonly string[];
  readonly authorName: string;
  readonly committedAtSeconds: number;
  /** Tags of this commit and of those before it. */
  readonly tags: readonly string[];
}

/** Undefined while nothing is committed. */
export async function readHistory(
  cwd: string,
  subjectsMax: number,
): Promise<FolderHistory | undefined> {
  const [log, tags = ""] = await Promise.all([
    git(cwd, ["log", `-${subjectsMax}`, "--format=%ct%x00%an%x00%s"]),
    git(cwd, ["tag", "--merged", "HEAD"]),
  ]);
  const commits = log?.split("\n").map((line) => line.split("\0"));
  const [time = "0", authorName = ""] = commits?.[0] ?? [];
  if (commits === undefined) return undefined;
  const subjects = commits.map(([, , subject = ""]) => subject);
  const list = tags.split("\n").filter(Boolean);
  return { subjects, authorName, committedAtSeconds: Number(time), tags: list };
}

interface Remote {
  readonly name: string;
  readonly url: string;
}

function parseRemotes(text: string): readonly Remote[] {
  return text
    .split("\n")
    .map((line) => /^(\S+)\t(.*) \(fetch\)$/.exec(line))
    .flatMap((match) => (match?.[1] && match[2] ? [{ name: match[1], url: match[2] }] : []));
}

/** Is the repo of this folder the server's own, or a forge's? Undefined without a remote. */
export async function readRemote(cwd: string): Promise<{ readonly isOwn: boolean } | undefined> {
  const remotes = parseRemotes((await git(cwd, ["remote", "-v"])) ?? "");
  return remotes.length === 0 ? undefined : { isOwn: remotes.some(isOwn) };
}

function isOwn({ name, url }: Remote): boolean {
  return name === "tatara" || /\/git\/[^/]+\/[^/]+\.git\/?$/.test(url);
}

/** Our own remote speaks first, then `origin`, then whatever there is. */
export function chooseRepo(remotes: readonly Remote[]): string | undefined {
  const rank = (remote: Remote): number => (isOwn(remote) ? 0 : remote.name === "origin" ? 1 : 2);
  const sorted = remotes.toSorted((one, other) => rank(one) - rank(other));
  return sorted.map(({ url }) => repoOfUrl(url)).find((repo) => repo !== undefined);
}

/** `owner/name` of an address: ours, a forge's, or `git@host:owner/name.git`. */
export function repoOfUrl(url: string): string | undefined {
  const path = /^[a-z+]+:\/\/[^/]+\/(.+)$/.exec(url)?.[1] ?? /^[^/:]+:(?!\/\/)(.+)$/.exec(url)?.[1];
  const parts = path
    ?.replace(/\/+$/, "")
    .replace(/\.git$/, "")
    .split("/")
    .filter(Boolean);
  const [owner, name] = parts?.slice(-2) ?? [];
  return owner === undefined || name === undefined ? undefined : `${owner}/${name}`;
}

async function git(cwd: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const options = { timeout: GIT_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
    const { stdout } = await run("git", ["-C", cwd, ...args], options);
    return stdout.trim() || undefined;
  } catch {
    return undefined; // No git, no repository, no branch: all the same to whoever asks.
  }
}
