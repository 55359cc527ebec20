import type { Readable } from "node:stream";
import { UserFault } from "../../../src/domain/faults.ts";
import type { Git } from "./git.ts";
import type { Mirror } from "./mirrors.ts";

const TREE_BYTES_MAX = 5 * 1024 ** 3;
const TREE_FILES_MAX = 1_000_000;
/** No file that is read here is of any use when it is longer. */
const FILE_BYTES_MAX = 2 * 1024 ** 2;

export interface TreeEntry {
  readonly path: string;
  readonly kind: "file" | "symlink" | "submodule";
  readonly sizeBytes: number;
}

/** One commit, read from the mirror. Nothing of it is ever written to this machine's disk. */
export interface Commit {
  readonly sha: string;
  readonly shortSha: string;
  readonly subject: string;
  readonly authorName: string;
  /** Seconds, as `SOURCE_DATE_EPOCH` wants them. */
  readonly committedAtSeconds: number;
  /** Commits from the root to this one. */
  readonly count: number;
  /** Names of the tags on this commit. */
  readonly tags: readonly string[];
  readonly entries: readonly TreeEntry[];
  has(path: string): boolean;
  files(): readonly string[];
  /** The first 2 MiB of a file. */
  readFile(path: string, signal: AbortSignal): Promise<Buffer>;
  /** A tar of the tree exactly as it was pushed; of these paths only, when given. */
  openTree(signal: AbortSignal, paths?: readonly string[]): Readable;
  /** A tar as the repo's own attributes want it (`export-ignore`, `export-subst`). */
  openSource(signal: AbortSignal): Readable;
}

export async function readCommit(git: Git, mirror: Mirror, signal: AbortSignal): Promise<Commit> {
  const { gitDir, sourceGitDir, sha } = mirror;
  const [entries, facts, count, tags] = await Promise.all([
    readEntries(git, mirror, signal),
    git.run(["log", "-1", "--format=%ct%x00%an%x00%s", "--end-of-options", sha], {
      gitDir,
      signal,
    }),
    git.run(["rev-list", "--count", "--end-of-options", sha], { gitDir, signal }),
    git.run(["for-each-ref", `--points-at=${sha}`, "--format=%(refname:strip=2)", "refs/tags"], {
      gitDir,
      signal,
    }),
  ]);
  const [time = "0", authorName = "", subject = ""] = facts.toString().trimEnd().split("\0");
  const files = entries.filter(({ kind }) => kind !== "submodule").map(({ path }) => path);
  const known = new Set(files);

  return {
    sha,
    shortSha: sha.slice(0, 7),
    subject,
    authorName,
    committedAtSeconds: Number(time),
    count: Number(count.toString().trim()),
    tags: lines(tags),
    entries,
    has: (path) => known.has(path),
    files: () => files,
    readFile: (path, until) =>
      readHead(
        git.stream(["cat-file", "blob", "--end-of-options", `${sha}:${path}`], {
          gitDir,
          signal: until,
        }),
      ),
    openTree: (until, paths = []) =>
      git.stream(["archive", "--format=tar", sha, "--", ...paths], { gitDir, signal: until }),
    openSource: (until) =>
      git.stream(["archive", "--format=tar", sha], { gitDir: sourceGitDir, signal: until }),
  };
}

async function readHead(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes >= FILE_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).subarray(0, FILE_BYTES_MAX);
}

function lines(printed: Buffer): readonly string[] {
  return printed
    .toString()
    .split("\n")
    .filter((line) => line !== "");
}

const KINDS: Readonly<Record<string, TreeEntry["kind"]>> = {
  "100644": "file",
  "100755": "file",
  "100664": "file",
  "120000": "symlink",
  "160000": "submodule",
};

async function readEntries(
  git: Git,
  { gitDir, sha }: Mirror,
  signal: AbortSignal,
): Promise<readonly TreeEntry[]> {
  const args = ["ls-tree", "-r", "-l", "-z", "--full-tree", sha];
  const printed = (await git.run(args, { gitDir, signal })).toString();
  const entries = printed.split("\0").flatMap(readEntry);
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (bytes > TREE_BYTES_MAX) throw overLimit(`${(bytes / 1024 ** 3).toFixed(1)} GiB`, "5 GiB");
  if (entries.length > TREE_FILES_MAX) throw overLimit(`${entries.length} files`, "a million");
  return entries;
}

/** `100644 blob 1f7a7a47… 1234\tdocs/a file`, with `-` as the size of a submodule. */
function readEntry(line: string): readonly TreeEntry[] {
  const found = /^(\d+) \w+ [0-9a-f]+ +(\d+|-)\t(.*)$/s.exec(line);
  if (!found) return [];
  const [, mode = "", size = "", path = ""] = found;
  return [{ path, kind: KINDS[mode] ?? "file", sizeBytes: size === "-" ? 0 : Number(size) }];
}

function overLimit(found: string, limit: string): UserFault {
  return new UserFault("CHECKOUT_LIMIT", `The commit has ${found}; the limit is ${limit}.`, {
    hint: "Keep large files elsewhere, or ask an admin to raise the limit of the checkout.",
  });
}
