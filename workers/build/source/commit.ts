import type { Readable } from "node:stream";
import { UserFault } from "../../../src/domain/faults.ts";
import type { Git } from "./git.ts";
import type { Mirror } from "./fetch-commit.ts";

/** What a commit's tree may have. */
export const TREE_MAX = {
  bytes: 5 * 1024 ** 3,
  files: 1_000_000,
  /** Of the list of its files, which is held in memory. */
  listBytes: 256 * 1024 ** 2,
};
/** No file that is read here is of any use when it is longer. */
const FILE_BYTES_MAX = 2 * 1024 ** 2;

/** Which tags count as versions: git's patterns first, then what the rule can read. */
export interface TagWish {
  readonly globs: readonly string[];
  readonly isVersion: (tag: string) => boolean;
}

export interface TagsBefore {
  readonly tags: readonly string[];
  /** Commits since then, this one included. */
  readonly commits: number;
}

export interface TreeEntry {
  readonly path: string;
  readonly kind: "file" | "symlink" | "submodule";
  readonly sizeBytes: number;
  /** Git's id of its content. */
  readonly blob: string;
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
  /** Version tags of the nearest commit before this one that has any; null: there is none. */
  tagsBefore(wish: TagWish, signal: AbortSignal): Promise<TagsBefore | null>;
  /** Subjects of the newest commits, this one's first. */
  subjects(max: number, signal: AbortSignal): Promise<readonly string[]>;
  has(path: string): boolean;
  files(): readonly string[];
  /** The first 2 MiB of a file. */
  readFile(path: string, signal: AbortSignal): Promise<Buffer>;
  /** A tar of the tree exactly as it was pushed; of these paths only, when given. */
  openTree(signal: AbortSignal, paths?: readonly string[]): Readable;
  /** A tar as the repo's own attributes want it (`export-ignore`, `export-subst`); of one folder, when given. */
  openSource(signal: AbortSignal, folder?: string): Readable;
}

export async function readCommit(
  git: Git,
  mirror: Mirror,
  signal: AbortSignal,
  max = TREE_MAX,
): Promise<Commit> {
  const { gitDir, sourceGitDir, sha } = mirror;
  const [entries, facts, count, tags] = await Promise.all([
    readEntries(git, mirror, signal, max),
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
    tagsBefore: (wish, until) => readTagsBefore(git, mirror, wish, until),
    subjects: async (max, until) =>
      lines(
        await git.run(["log", `-${max}`, "--format=%s", "--end-of-options", sha], {
          gitDir,
          signal: until,
        }),
      ),
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
    openSource: (until, folder = "") =>
      git.stream(["archive", "--format=tar", sha, "--", ...(folder === "" ? [] : [folder])], {
        gitDir: sourceGitDir,
        signal: until,
      }),
  };
}

/** Tags that look like a version and are none are left out one by one. No tag has a glob's signs. */
const STRANGE_TAGS_MAX = 20;

async function readTagsBefore(
  git: Git,
  { gitDir, sha }: Mirror,
  { globs, isVersion }: TagWish,
  signal: AbortSignal,
): Promise<TagsBefore | null> {
  const run = async (args: readonly string[]) => lines(await git.run(args, { gitDir, signal }));
  const wanted = globs.map((glob) => `--match=${glob}`);
  const strange: string[] = [];
  while (strange.length < STRANGE_TAGS_MAX) {
    const args = ["describe", "--tags", "--abbrev=0", "--always", ...wanted];
    const left = strange.map((tag) => `--exclude=${tag}`);
    const [tag = ""] = await run([...args, ...left, sha]);
    // Without any tag git answers with the commit itself.
    if (tag === "" || tag === sha) return null;
    if (!isVersion(tag)) {
      strange.push(tag);
      continue;
    }
    const ref = `refs/tags/${tag}^{commit}`;
    const [at = ""] = await run(["rev-parse", "--verify", "--end-of-options", ref]);
    const [tags, [commits = "0"]] = await Promise.all([
      run(["for-each-ref", `--points-at=${at}`, "--format=%(refname:strip=2)", "refs/tags"]),
      run(["rev-list", "--count", "--end-of-options", `${at}..${sha}`]),
    ]);
    return { tags: tags.filter(isVersion), commits: Number(commits) };
  }
  return null;
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
  max: typeof TREE_MAX,
): Promise<readonly TreeEntry[]> {
  const args = ["ls-tree", "-r", "-l", "-z", "--full-tree", sha];
  const listed = await readList(git.stream(args, { gitDir, signal }), max);
  const entries = listed.split("\0").flatMap(readEntry);
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (bytes > max.bytes) throw overLimit(`${inGib(bytes)} of files`, inGib(max.bytes));
  refuseTwins(entries);
  return entries;
}

/** What stands for bytes that are no UTF-8: such names cannot be kept as they are. */
const REPLACED = "\ufffd";

export function isChangedName(path: string): boolean {
  return path.includes(REPLACED);
}

/** Of two names that become one, one file would be lost without a word. */
function refuseTwins(entries: readonly TreeEntry[]): void {
  const seen = new Set<string>();
  for (const { path } of entries) {
    if (!isChangedName(path)) continue;
    if (!seen.has(path)) {
      seen.add(path);
      continue;
    }
    const what = `Two files are called ${JSON.stringify(path)} where bytes that are no UTF-8 are left out.`;
    throw new UserFault("CHECKOUT_UNSUPPORTED", what, {
      hint: "Give them names in UTF-8: `git mv` one of them.",
    });
  }
}

/** A list over its limits is not read to its end. */
async function readList(printed: Readable, max: typeof TREE_MAX): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let files = 0;
  for await (const chunk of printed as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(0); at !== -1; at = chunk.indexOf(0, at + 1)) files += 1;
    if (files > max.files) {
      const limit = max.files.toLocaleString("en");
      throw overLimit(`more than ${limit} files`, limit);
    }
    if (bytes > max.listBytes)
      throw overLimit("a longer list of files than can be held", "256 MiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function inGib(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/** `100644 blob 1f7a7a47… 1234\tdocs/a file`, with `-` as the size of a submodule. */
function readEntry(line: string): readonly TreeEntry[] {
  const found = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line);
  if (!found) return [];
  const [, mode = "", blob = "", size = "", path = ""] = found;
  const sizeBytes = size === "-" ? 0 : Number(size);
  return [{ path, kind: KINDS[mode] ?? "file", sizeBytes, blob }];
}

function overLimit(found: string, limit: string): UserFault {
  return new UserFault("CHECKOUT_LIMIT", `The commit has ${found}; the limit is ${limit}.`, {
    hint: "Keep large files elsewhere, or ask an admin to raise the limit of the checkout.",
  });
}
