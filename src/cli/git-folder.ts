import { execFile } from "node:child_process";
import { promisify } from "node:util";

const GIT_TIMEOUT_MS = 5_000;
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
    const { stdout } = await run("git", ["-C", cwd, ...args], { timeout: GIT_TIMEOUT_MS });
    return stdout.trim() || undefined;
  } catch {
    return undefined; // No git, no repository, no branch: all the same to whoever asks.
  }
}
