import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserFault } from "../../../src/domain/faults.ts";
import { matcherOf } from "../../../src/domain/patterns.ts";
import type { Container } from "../engine.ts";
import { inBytes } from "../step-limits.ts";
import { readTarEntries } from "../tar-entries.ts";
import type { TarEntry } from "../tar-entries.ts";
import { KEEP_LIMITS } from "./job-kept.ts";
import type { KeepBudget, KeepLimits, KeptCopy, KeptSet } from "./job-kept.ts";

const NOTES_MAX = 100;
const NOTE_CHARACTERS_MAX = 1_000;
/** Entries of an archive cost time even if nothing of them is wanted. */
const ENTRIES_MAX = 2_000_000;
/** All paths go to the server in one message. */
const PATH_CHARACTERS_MAX = 1_000_000;

export interface TakeKeptOptions {
  /** Patterns, from the root of the workspace. */
  readonly patterns: readonly string[];
  /** Where the workspace is in the container. */
  readonly workspace: string;
  /** Folder on this worker that the files are written to. */
  readonly dir: string;
  readonly budget: KeepBudget;
  readonly limits?: KeepLimits;
}

/**
 * Takes what `keep` names out of a container that has ended. Only regular files: links and devices
 * are left out with a note, as is nothing else: too much is a `UserFault` "ARTIFACT_LIMIT".
 */
export async function takeKept(
  container: Pick<Container, "getArchive">,
  options: TakeKeptOptions,
  signal: AbortSignal,
): Promise<KeptSet> {
  const { patterns, workspace, dir } = options;
  await mkdir(dir, { recursive: true });
  const matches = matcherOf(patterns);
  const files = new Map<string, KeptCopy>();
  const notes: string[] = [];
  let pathCharacters = 0;
  const note = (line: string): void => {
    // A path may be longer than what the server takes for a note.
    if (notes.length < NOTES_MAX) notes.push(line.slice(0, NOTE_CHARACTERS_MAX));
  };
  for (const folder of foldersOf(patterns)) {
    const tar = await container.getArchive(posix.join(workspace, folder), signal);
    if (tar === undefined) continue;
    const take = async (entry: TarEntry, path: string): Promise<void> => {
      if (files.has(path) || !matches(path)) return void entry.resume();
      const { type } = entry.header;
      if (type === "directory") return void entry.resume();
      if (type !== "file") {
        note(`${path} is a ${type ?? "special file"}: left out`);
        return void entry.resume();
      }
      pathCharacters += path.length;
      if (pathCharacters > PATH_CHARACTERS_MAX) throw overLimit("the paths are too long together");
      files.set(path, await save(entry, path, { ...options, number: files.size }));
    };
    await readEntries(tar, folder, take, signal);
  }
  return { files: [...files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1)), notes };
}

/** The parts of the patterns before their first wildcard, so that no more is read than is asked for. */
export function foldersOf(patterns: readonly string[]): readonly string[] {
  const giving = patterns.filter((pattern) => !pattern.startsWith("!"));
  if (giving.length === 0) return ["."];
  const folders = giving.map((pattern) => {
    const parts = pattern.split("/");
    const wild = parts.findIndex((part) => /[*?[{\\]/.test(part));
    const plain = wild === -1 ? parts : parts.slice(0, wild);
    return posix.normalize(plain.join("/") || ".");
  });
  const unique = [...new Set(folders)];
  return unique.filter(
    (folder) => !unique.some((other) => other !== folder && isBelow(folder, other)),
  );
}

function isBelow(path: string, folder: string): boolean {
  return folder === "." || path.startsWith(`${folder}/`);
}

/** Calls `take` for everything below a folder; the engine names it by the folder's own last part. */
async function readEntries(
  tar: NodeJS.ReadableStream,
  folder: string,
  take: (entry: TarEntry, path: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let seen = 0;
  const takeNext = async (entry: TarEntry): Promise<void> => {
    seen += 1;
    if (seen > ENTRIES_MAX) throw overLimit("the workspace has millions of files");
    const path = workspacePath(folder, entry.header.name);
    if (path === undefined) entry.resume();
    else await take(entry, path);
  };
  await readTarEntries(tar, takeNext, signal);
}

/** Undefined for the workspace itself, and for names that would lead out of it. */
function workspacePath(folder: string, name: string): string | undefined {
  const [, ...below] = name.split("/");
  if (below.includes("..")) return undefined;
  const path = posix.normalize(posix.join(folder, ...below)).replace(/\/+$/, "");
  return path === "." || path === "" || path.startsWith("/") || path.startsWith("..")
    ? undefined
    : path;
}

async function save(
  entry: TarEntry,
  path: string,
  { dir, budget, limits = KEEP_LIMITS, number }: TakeKeptOptions & { readonly number: number },
): Promise<KeptCopy> {
  const sizeBytes = entry.header.size ?? 0;
  if (sizeBytes > limits.fileBytesMax) {
    throw overLimit(
      `${path} has ${inBytes(sizeBytes)}; a file may have ${inBytes(limits.fileBytesMax)}`,
    );
  }
  if (!budget.take(sizeBytes)) {
    throw overLimit(
      `with ${path} it is more than ${inBytes(limits.buildBytesMax)} or ${limits.filesMax} files`,
    );
  }
  // A number for a name: the path is the container's word.
  const diskPath = join(dir, String(number));
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(
    Readable.from(entry, { objectMode: false }),
    hashing,
    createWriteStream(diskPath, { mode: 0o600 }),
  );
  const isExecutable = ((entry.header.mode ?? 0) & 0o100) !== 0;
  return { path, diskPath, sizeBytes, sha256: hash.digest("hex"), isExecutable };
}

function overLimit(what: string): UserFault {
  return new UserFault("ARTIFACT_LIMIT", `\`keep\` takes too much: ${what}.`, {
    hint: "Keep fewer files, or pack them into one archive.",
  });
}
