import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepBudget } from "../../../../../workers/build/keep/job-kept.ts";
import { keptTar } from "../../../../../workers/build/keep/put-kept.ts";
import { foldersOf, takeKept } from "../../../../../workers/build/keep/take-kept.ts";
import type { Container } from "../../../../../workers/build/engine.ts";

const never = new AbortController().signal;
const LIMITS = { fileBytesMax: 10, buildBytesMax: 15, filesMax: 3 };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-keep-"));
});
afterEach(() => rm(dir, { recursive: true }));

type Entry = Parameters<ReturnType<typeof pack>["entry"]>[0];

/** A container whose workspace is this tar, named as the engine names it. */
function holding(entries: readonly (Entry & { readonly text?: string })[]): Container {
  return {
    getArchive: async () => {
      const tar = pack();
      for (const { text = "", ...header } of entries) tar.entry(header, text);
      tar.finalize();
      return Readable.from(tar, { objectMode: false });
    },
  } as unknown as Container;
}

const take = (container: Container, patterns: readonly string[]) =>
  takeKept(
    container,
    { patterns, workspace: "/workspace", dir, budget: keepBudget(LIMITS), limits: LIMITS },
    never,
  );

test("what is said of a path fits what the server takes, however long the path is", async () => {
  const name = `dist/${"a/".repeat(700)}link`;
  const kept = await take(holding([{ name, type: "symlink", linkname: "x" }]), ["dist/**"]);

  expect(kept.notes.map(({ length }) => length)).toEqual([1_000]);
});

test("an archive that is given up half-way harms nobody, however much of it is still to come", async () => {
  const entries = Array.from({ length: 500 }, (_, index) => {
    return { name: `dist/${index}`, text: "x" };
  });

  // Vitest fails for what is thrown where nobody can catch it: in a worker that ends the process.
  await expect(take(holding(entries), ["dist/**"])).rejects.toMatchObject({
    code: "ARTIFACT_LIMIT",
  });
});

test("paths that would not fit one message are too much", async () => {
  const entries = Array.from({ length: 600 }, (_, index) => {
    return { name: `dist/${"a/".repeat(900)}${index}`, text: "" };
  });
  const limits = { ...LIMITS, filesMax: 1_000 };
  const options = { patterns: ["dist/**"], workspace: "/workspace", dir, limits };

  const taking = takeKept(holding(entries), { ...options, budget: keepBudget(limits) }, never);

  await expect(taking).rejects.toThrow("the paths are too long together");
});

test("only regular files that match are taken, and what is no file is said", async () => {
  const kept = await take(
    holding([
      { name: "dist/", type: "directory" },
      { name: "dist/a.txt", text: "a" },
      { name: "dist/b.log", text: "b" },
      { name: "dist/link", type: "symlink", linkname: "/etc/shadow" },
      { name: "dist/hard", type: "link", linkname: "dist/a.txt" },
      { name: "dist/device", type: "character-device" },
      { name: "dist/../../etc/passwd", text: "x" },
    ]),
    ["dist/**", "!**/*.log"],
  );

  expect(kept.files.map(({ path }) => path)).toEqual(["dist/a.txt"]);
  expect(await readFile(kept.files[0]?.diskPath ?? "", "utf8")).toBe("a");
  expect(kept.notes).toEqual([
    "dist/link is a symlink: left out",
    "dist/hard is a link: left out",
    "dist/device is a character-device: left out",
  ]);
});

test.each([
  ["one that is too large", [{ name: "d/a", text: "x".repeat(11) }], "d/a has"],
  [
    "more than a build may have",
    ["a", "b"].map((name) => ({ name: `d/${name}`, text: "x".repeat(8) })),
    "with d/b",
  ],
  ["too many", ["a", "b", "c", "e"].map((name) => ({ name: `d/${name}` })), "with d/e"],
])("%s is a fault of the file's", async (_what, entries, message) => {
  await expect(take(holding(entries), ["d/**"])).rejects.toMatchObject({
    code: "ARTIFACT_LIMIT",
    message: expect.stringContaining(message),
  });
});

describe("no more is read than the patterns may match", () => {
  test.each([
    [["dist/**"], ["dist"]],
    [["out/junit.xml", "out/*.txt", "out/deep/a*"], ["out"]],
    [
      ["a/b/c.txt", "a/bc"],
      ["a/b/c.txt", "a/bc"],
    ],
    [["**/*.rpm", "dist/x"], ["."]],
    [["!dist/**"], ["."]],
  ])("%j", (patterns, folders) => {
    expect(foldersOf(patterns)).toEqual(folders);
  });
});

test("kept files are put in place with their folders, for the user of the step", async () => {
  const { files } = await take(holding([{ name: "d/e/run", text: "#!", mode: 0o755 }]), ["d/**"]);

  const entries = extract();
  keptTar(files, { uid: 7, gid: 8 }).pipe(entries);
  const found: unknown[] = [];
  for await (const entry of entries) {
    const { name, type, mode, uid, gid } = entry.header;
    found.push([name, type, mode, uid, gid, (await buffer(entry)).toString()]);
  }

  expect(found).toEqual([
    ["d", "directory", 0o755, 7, 8, ""],
    ["d/e", "directory", 0o755, 7, 8, ""],
    ["d/e/run", "file", 0o755, 7, 8, "#!"],
  ]);
});
