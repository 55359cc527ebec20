import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, open, readFile, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Transform } from "node:stream";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdCompress, createZstdDecompress } from "node:zlib";
import { z } from "zod";
import { ANY_BRANCH } from "./cache-key.ts";
import type { CacheScope, CacheWish } from "./cache-key.ts";
import type { Stored } from "../stored.ts";

export const CACHE_LIMITS = {
  entryBytesMax: 2 * 1024 ** 3,
  /** Of an entry when it is put in place: a sparse file of terabytes compresses to nothing. */
  unpackedBytesMax: 8 * 1024 ** 3,
  repoBytesMax: 10 * 1024 ** 3,
  unusedMsMax: 14 * 24 * 60 * 60_000,
} as const;

export type CacheLimits = { readonly [K in keyof typeof CACHE_LIMITS]: number };

const cacheEntry = z.object({
  version: z.literal(1),
  key: z.string(),
  family: z.string(),
  scope: z.string(),
  /** Name of the archive beside this file. */
  file: z.string().regex(/^[a-z0-9.-]+$/),
  sizeBytes: z.number(),
  createdAt: z.number(),
  /** Number of the build that made it. */
  buildNumber: z.number(),
  /** How long the step took without it. */
  makingMs: z.number().int().nonnegative(),
});

type CacheEntry = z.infer<typeof cacheEntry>;

export interface FoundCache {
  readonly entry: CacheEntry;
  readonly isExact: boolean;
  /** The archive, as it was saved. */
  open(): Readable;
  /** It is damaged: nobody shall find it again. */
  drop(): Promise<void>;
}

/** Archives of what steps want to have again, on this worker's disk. Each may vanish at any time. */
export interface CacheStore {
  /** The exact one of all scopes that may be read; else the newest of the first scope that has one. */
  find(wish: CacheWish): Promise<FoundCache | undefined>;
  /** Is there one already that makes saving pointless? */
  has(wish: CacheWish): Promise<boolean>;
  /** Saves under the exact key; of several writers the first wins, and nobody sees half an entry. */
  save(
    wish: CacheWish,
    made: { readonly tar: Readable; readonly buildNumber: number; readonly makingMs: number },
    signal: AbortSignal,
  ): Promise<"saved" | "exists" | "too-large">;
  /** All that is there. */
  stored(signal: AbortSignal): Promise<readonly Stored[]>;
  /** Removes what nobody has used for long, and what dead writers left. */
  tidy(signal: AbortSignal): Promise<void>;
}

export interface CacheStoreDeps {
  readonly dir: string;
  readonly now: () => number;
  readonly limits?: CacheLimits;
}

export function openCacheStore({ dir, now, limits = CACHE_LIMITS }: CacheStoreDeps): CacheStore {
  const folderOf = (repo: string) => join(dir, hashOf(repo).slice(0, 32));

  return {
    find: async (wish) => {
      const folder = folderOf(wish.repo);
      const known = (await readEntries(folder)).toSorted((a, b) => b.createdAt - a.createdAt);
      const found = wish.reads
        .map((scope) => known.find((entry) => entry.key === wish.key && isIn(entry, scope)))
        .find((entry) => entry !== undefined);
      const older = wish.reads
        // Of other branches only what fits exactly.
        .filter((scope) => scope !== ANY_BRANCH)
        .map((scope) => known.find((entry) => entry.family === wish.family && isIn(entry, scope)))
        .find((entry) => entry !== undefined);
      const entry = found ?? older;
      if (entry === undefined) return undefined;
      const path = join(folder, entry.file);
      if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
      // The entry's time is when it was last of use.
      const at = new Date(now());
      await utimes(join(folder, nameOf(entry)), at, at).catch(() => undefined);
      const isExact = found !== undefined;
      const drop = () => removeEntry(folder, entry);
      return { entry, isExact, open: () => openArchive(path), drop };
    },
    has: async (wish) => {
      const known = await readEntries(folderOf(wish.repo));
      const exact = known.filter(({ key }) => key === wish.key);
      const readable = wish.isDefaultBranch && wish.writes !== null ? [wish.writes] : wish.reads;
      return exact.some((entry) => readable.some((scope) => isIn(entry, scope)));
    },
    save: async (wish, { tar, buildNumber, makingMs }, signal) => {
      if (wish.writes === null) throw new Error("This build saves no caches.");
      const folder = folderOf(wish.repo);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const id = entryId(wish.key, wish.writes);
      const file = `${id}.${randomUUID()}.tar.zst`;
      const path = join(folder, file);
      const sizeBytes = await writeArchive(path, tar, limits, signal);
      if (sizeBytes === undefined) return "too-large";
      const { key, family, writes: scope } = wish;
      const createdAt = now();
      const made = { version: 1, key, family, scope, file, sizeBytes, createdAt } as const;
      const isFirst = await publish(folder, { ...made, buildNumber, makingMs });
      if (!isFirst) {
        await rm(path, { force: true });
        return "exists";
      }
      await trim(folder, limits.repoBytesMax);
      return "saved";
    },
    stored: async (signal) => {
      const stored: Stored[] = [];
      for (const name of await readdir(dir).catch(() => [])) {
        signal.throwIfAborted();
        const folder = join(dir, name);
        for (const { entry, usedAt } of await byLastUse(folder)) {
          const parts = [{ id: join(folder, entry.file), bytes: entry.sizeBytes }];
          const remove = () => removeEntry(folder, entry);
          stored.push({ kind: "cache", name: entry.key, usedAt, parts, remove });
        }
      }
      return stored;
    },
    tidy: async (signal) => {
      for (const name of await readdir(dir).catch(() => [])) {
        signal.throwIfAborted();
        await tidyFolder(join(dir, name), now() - limits.unusedMsMax);
      }
    },
  };
}

function isIn({ scope }: CacheEntry, wanted: CacheScope): boolean {
  return scope === wanted || (wanted === ANY_BRANCH && scope.startsWith("branch "));
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function entryId(key: string, scope: CacheScope): string {
  return hashOf(`${scope}\n${key}`).slice(0, 40);
}

function nameOf({ key, scope }: CacheEntry): string {
  return `${entryId(key, scope)}.json`;
}

/** What cannot be read is no entry. */
async function readEntries(folder: string): Promise<readonly CacheEntry[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".json"));
  const entries = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), "utf8").catch(() => "");
      const read = cacheEntry.safeParse(parseJson(text));
      return read.success ? [read.data] : [];
    }),
  );
  return entries.flat();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function openArchive(path: string): Readable {
  const output = new PassThrough();
  // A damaged archive fails whoever reads it.
  pipeline(createReadStream(path), createZstdDecompress(), output).catch((err: unknown) =>
    output.destroy(err instanceof Error ? err : new Error(String(err))),
  );
  return output;
}

/** Its size on the disk, where it is safe; undefined: it became too large, and is gone. */
async function writeArchive(
  path: string,
  tar: Readable,
  { entryBytesMax, unpackedBytesMax }: CacheLimits,
  signal: AbortSignal,
): Promise<number | undefined> {
  let sizeBytes = 0;
  const file = await open(path, "wx", 0o600);
  try {
    const write = async (compressed: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of compressed) {
        sizeBytes += chunk.length;
        if (sizeBytes > entryBytesMax) throw new TooLarge();
        await file.writeFile(chunk);
      }
    };
    await pipeline(tar, atMost(unpackedBytesMax), createZstdCompress(), write, { signal });
    await file.sync();
    return sizeBytes;
  } catch (err) {
    await rm(path, { force: true });
    if (err instanceof TooLarge) return undefined;
    throw err;
  } finally {
    await file.close();
  }
}

function atMost(bytesMax: number): Transform {
  let bytes = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      if (bytes > bytesMax) done(new TooLarge());
      else done(null, chunk);
    },
  });
}

class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** Makes it an entry, unless there is one of its name: a link is made once or not at all. */
async function publish(folder: string, entry: CacheEntry): Promise<boolean> {
  const draft = join(folder, `${randomUUID()}.new`);
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(JSON.stringify(entry));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, join(folder, nameOf(entry)));
    return true;
  } catch (err) {
    if (err instanceof Error && "code" in err && err.code === "EEXIST") return false;
    throw err;
  } finally {
    await rm(draft, { force: true });
  }
}

async function byLastUse(folder: string) {
  const entries = await readEntries(folder);
  const used = entries.map(async (entry) => {
    const found = await stat(join(folder, nameOf(entry))).catch(() => undefined);
    return { entry, usedAt: found?.mtimeMs ?? 0 };
  });
  return (await Promise.all(used)).toSorted((a, b) => b.usedAt - a.usedAt);
}

/** The most recently used stay. */
async function trim(folder: string, bytesMax: number): Promise<void> {
  let bytes = 0;
  for (const { entry } of await byLastUse(folder)) {
    bytes += entry.sizeBytes;
    if (bytes > bytesMax) await removeEntry(folder, entry);
  }
}

async function removeEntry(folder: string, entry: CacheEntry): Promise<void> {
  // The name first: without it nobody looks for the bytes.
  await rm(join(folder, nameOf(entry)), { force: true });
  await rm(join(folder, entry.file), { force: true });
}

async function tidyFolder(folder: string, usedBefore: number): Promise<void> {
  const entries = await byLastUse(folder);
  for (const { entry, usedAt } of entries) {
    if (usedAt < usedBefore) await removeEntry(folder, entry);
  }
  const known = new Set(entries.flatMap(({ entry }) => [entry.file, nameOf(entry)]));
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    // A writer may be at work; what is this old belongs to none.
    if (!known.has(name) && (found?.mtimeMs ?? 0) < usedBefore) await rm(path, { force: true });
  }
}
