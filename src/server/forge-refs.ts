import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { isRefName, isSha } from "../domain/push.ts";
import { askEnv } from "./git-heads.ts";

const run = promisify(execFile);
const ASK_MS = 30_000;
/** Some two hundred thousand refs; a repo with more is told as one that cannot be looked at. */
const LIST_BYTES_MAX = 16 * 1024 * 1024;
const COMMIT_BYTES_MAX = 1024 * 1024;

/** What a ref of a forge's repo names. */
export interface ForgeRef {
  readonly ref: string;
  /** Of the tag object for an annotated tag. */
  readonly sha: string;
  /** The commit that it leads to. */
  readonly commit: string;
}

export interface ForgeRefList {
  readonly defaultBranch: string | undefined;
  /** Branches and tags whose names can be built. */
  readonly refs: readonly ForgeRef[];
}

/** A forge's refs, asked with git from the address and with the credential that workers clone with. */
export interface ForgeRefs {
  list(repo: string, signal: AbortSignal): Promise<ForgeRefList>;
  /** Author and message, for what a delivery would have told. */
  commit(
    repo: string,
    sha: string,
    signal: AbortSignal,
  ): Promise<{ readonly authorName: string; readonly message: string }>;
}

export interface ForgeRefsOptions {
  readonly path: string;
  readonly githubUrl: string;
  readonly githubReadToken: string | undefined;
  /** A folder of its own, for what git needs in between. */
  readonly dir: string;
}

export function openForgeRefs(options: ForgeRefsOptions): ForgeRefs {
  const { githubUrl, dir } = options;
  let serial = 0;
  // What a life that was cut off left there.
  const isEmptied = rm(dir, { recursive: true, force: true }).catch(() => undefined);
  const git = async (
    url: string,
    args: readonly string[],
    bytesMax: number,
    signal: AbortSignal,
  ) => {
    const limits = { timeout: ASK_MS, maxBuffer: bytesMax, signal };
    const { stdout } = await run("git", args, { ...limits, env: askEnv(options, url) });
    return stdout;
  };

  return {
    list: async (repo, signal) => {
      const url = `${githubUrl}/${repo}.git`;
      const wanted = ["HEAD", "refs/heads/*", "refs/tags/*"];
      const args = ["ls-remote", "--quiet", "--symref", "--", url, ...wanted];
      return readList(await git(url, args, LIST_BYTES_MAX, signal));
    },
    commit: async (repo, sha, signal) => {
      const url = `${githubUrl}/${repo}.git`;
      serial += 1;
      const place = `${dir}/${process.pid}-${serial}`;
      const inPlace = (...args: readonly string[]) =>
        git(url, ["--git-dir", place, ...args], COMMIT_BYTES_MAX, signal);
      await isEmptied;
      await mkdir(dir, { recursive: true });
      try {
        await inPlace("init", "--quiet", "--bare", "--template=");
        // The commit alone: a forge that knows no filters sends its files as well.
        const only = ["--depth=1", "--filter=tree:0", "--no-tags", "--no-write-fetch-head"];
        await inPlace("fetch", "--quiet", ...only, "--", url, sha);
        const format = "--format=%an%x00%B";
        const text = await inPlace("log", "-1", "--no-show-signature", format, sha);
        const [authorName = "", message = ""] = text.split("\0");
        return { authorName, message: message.trim() };
      } finally {
        await rm(place, { recursive: true, force: true });
      }
    },
  };
}

function readList(text: string): ForgeRefList {
  const rows = text.split("\n").map((row) => row.split("\t"));
  const symref = rows.find(([target = "", name]) => name === "HEAD" && target.startsWith("ref: "));
  const named = new Map(rows.map(([sha = "", ref = ""]) => [ref, sha] as const));
  const refs = [...named].flatMap(([ref, sha]): readonly ForgeRef[] => {
    if (!isSha(sha) || !isRefName(ref) || ref.endsWith("^{}")) return [];
    return [{ ref, sha, commit: named.get(`${ref}^{}`) ?? sha }];
  });
  const [, defaultBranch] = /^ref: refs\/heads\/(.+)$/.exec(symref?.[0] ?? "") ?? [];
  return { defaultBranch, refs };
}
