import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ANY_BRANCH } from "../../../../../workers/build/cache/cache-key.ts";
import type { CacheWish } from "../../../../../workers/build/cache/cache-key.ts";
import { openCacheStore } from "../../../../../workers/build/cache/cache-store.ts";
import type { CacheLimits } from "../../../../../workers/build/cache/cache-store.ts";

const never = new AbortController().signal;
const DAY_MS = 24 * 3_600_000;
const LIMITS: CacheLimits = {
  entryBytesMax: 100_000,
  unpackedBytesMax: 1_000_000,
  repoBytesMax: 250_000,
  unusedMsMax: 14 * DAY_MS,
};

let dir: string;
let now = 0;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-caches-"));
  now = Date.now();
});
afterEach(() => rm(dir, { recursive: true }));

const open = () => openCacheStore({ dir, now: () => now, limits: LIMITS });

function wish(key: string, some: Partial<CacheWish> = {}): CacheWish {
  const reads = ["branch main", ANY_BRANCH];
  const whose = { reads, writes: "branch main", isDefaultBranch: true };
  return { repo: "acme/hello", key, family: "family", ...whose, ...some };
}

async function save(of: CacheWish, text: string | Buffer, buildNumber = 1) {
  now += 1_000;
  const tar = Readable.from([Buffer.from(text)]);
  return await open().save(of, { tar, buildNumber, makingMs: 100 }, never);
}

async function find(of: CacheWish) {
  const found = await open().find(of);
  if (found === undefined) return undefined;
  const text = (await buffer(found.open())).toString();
  return { text, isExact: found.isExact, from: found.entry.buildNumber };
}

test("what was saved is found again, by any later life of the worker", async () => {
  expect(await save(wish("k"), "content", 12)).toBe("saved");

  expect(await find(wish("k"))).toEqual({ text: "content", isExact: true, from: 12 });
  expect(await find(wish("other", { family: "other" }))).toBeUndefined();
  expect(await find({ ...wish("k"), repo: "acme/other" })).toBeUndefined();
});

test("the exact one wins; else the newest of the branch, then of the default branch", async () => {
  const next = (key: string) =>
    wish(key, {
      reads: ["branch next", "branch main", ANY_BRANCH],
      writes: "branch next",
      isDefaultBranch: false,
    });
  await save(wish("old"), "main's old");
  await save(wish("new"), "main's new");
  expect(await find(next("k"))).toMatchObject({ text: "main's new", isExact: false });

  await save(next("mine"), "next's");
  expect(await find(next("k"))).toMatchObject({ text: "next's", isExact: false });
  expect(await find(next("old"))).toMatchObject({ text: "main's old", isExact: true });
});

test("of another branch only what fits exactly is read, and nothing by who may not", async () => {
  const next = wish("k", { writes: "branch next", isDefaultBranch: false });
  await save(next, "next's");
  const fork = { reads: ["branch main"], writes: null, isDefaultBranch: false };

  expect(await find(wish("k"))).toMatchObject({ text: "next's", isExact: true });
  expect(await find(wish("changed"))).toBeUndefined();
  expect(await find(wish("k", fork))).toBeUndefined();
  // The default branch has one of its own, for those that read nobody else's.
  expect(await open().has(wish("k"))).toBe(false);
  expect(await open().has(next)).toBe(true);
});

test("of two writers one wins, and its content never changes", async () => {
  const first = await Promise.all([save(wish("k"), "one"), save(wish("k"), "two")]);
  const winner = await find(wish("k"));
  const later = await save(wish("k"), "three");

  expect(first.toSorted()).toEqual(["exists", "saved"]);
  expect(later).toBe("exists");
  expect(await find(wish("k"))).toEqual(winner);
  expect(await filesOf(dir)).toHaveLength(2);
});

test("one that is too large is not kept, and neither is half of one", async () => {
  expect(await save(wish("k"), randomBytes(200_000))).toBe("too-large");
  const broken = Readable.from(
    (function* () {
      yield Buffer.from("half");
      throw new Error("the engine is gone");
    })(),
  );
  const saving = open().save(wish("k"), { tar: broken, buildNumber: 1, makingMs: 0 }, never);
  await expect(saving).rejects.toThrow("the engine is gone");

  expect(await find(wish("k"))).toBeUndefined();
  expect(await filesOf(dir)).toEqual([]);
});

test("one that would be too large when it is put in place is not kept, however small it is packed", async () => {
  expect(await save(wish("a"), Buffer.alloc(1_000_001))).toBe("too-large");
  expect(await save(wish("b"), Buffer.alloc(1_000_000))).toBe("saved");
  expect(await find(wish("a"))).toMatchObject({ from: 1, isExact: false });
});

test("a repo's caches have a budget: what was used longest ago goes first", async () => {
  await save(wish("a"), randomBytes(90_000));
  await save(wish("b"), randomBytes(90_000));
  now += 1_000;
  await find(wish("a"));
  await save(wish("c"), randomBytes(90_000));

  expect(await find(wish("a"))).toMatchObject({ isExact: true });
  expect(await find(wish("b"))).not.toMatchObject({ isExact: true });
  expect(await find(wish("c"))).toMatchObject({ isExact: true });
});

test("what nobody has used for two weeks is removed", async () => {
  await save(wish("a"), "a");
  await save(wish("b"), "b");
  now += 10 * DAY_MS;
  await find(wish("b"));
  now += 6 * DAY_MS;

  await open().tidy(never);

  expect(await find(wish("b"))).toMatchObject({ text: "b", isExact: true });
  expect(await filesOf(dir)).toHaveLength(2);
});

test("a damaged one fails whoever reads it, and is never taken for a whole one", async () => {
  await save(wish("k"), randomBytes(50_000));
  const [archive = ""] = (await filesOf(dir)).filter((name) => name.endsWith(".zst"));
  await truncate(archive, 20_000);

  await expect(find(wish("k"))).rejects.toThrow();
});

async function filesOf(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

test("what is stored is listed with its last use, and can be removed by whoever needs the room", async () => {
  await save(wish("old"), "old");
  await save(wish("new"), "new");
  now += 60_000;
  await open().find(wish("old"));

  const stored = (await open().stored(never)).toSorted((a, b) => a.usedAt - b.usedAt);
  expect(stored.map(({ name }) => name)).toEqual(["new", "old"]);
  expect(stored.every(({ parts }) => parts.every(({ bytes }) => bytes > 0))).toBe(true);
  await stored[0]?.remove(never);

  expect((await open().stored(never)).map(({ name }) => name)).toEqual(["old"]);
  expect((await open().find(wish("new")))?.isExact).toBe(false);
});
