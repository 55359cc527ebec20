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
}

/** The work tree around a folder as a push would send it; undefined outside of any repository. */
export async function readWorkTree(cwd: string): Promise<WorkTree | undefined> {
  const root = await git(cwd, ["rev-parse", "--show-toplevel"]);
  if (root === undefined) return undefined;
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const names = (await git(root, list)) ?? "";
  const shortSha = (await git(root, ["rev-parse", "--short=7", "HEAD"])) ?? "the work tree";
  return { root, shortSha, files: names.split("\0").filter(Boolean) };
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

/** Our own remote speaks first, then `origin`, then whatever there is. */
export function chooseRepo(remotes: readonly Remote[]): string | undefined {
  const rank = ({ name, url }: Remote): number =>
    name === "tatara" || /\/git\/[^/]+\/[^/]+\.git\/?$/.test(url) ? 0 : name === "origin" ? 1 : 2;
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
