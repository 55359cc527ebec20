import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkDigests } from "../../src/yum/rpm/check-digests.ts";
import { readRpm } from "../../src/yum/rpm/read-rpm.ts";
import { compareWithCreaterepo } from "../support/createrepo-fragments.ts";
import type { ComparedRpm } from "../support/createrepo-fragments.ts";
import { makeRpmCorpus } from "../support/rpm-corpus.ts";

let folder: string;
let corpus: readonly string[];
let compared: readonly ComparedRpm[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-corpus-"));
  corpus = await makeRpmCorpus(folder);
  compared = await compareWithCreaterepo(corpus);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("the XML of hundreds of RPMs from rpmbuild is createrepo_c's", () => {
  const different = compared.filter(({ differences }) => differences.length > 0);

  expect(different.map(({ path, differences }) => ({ path, differences }))).toEqual([]);
  expect(compared.length).toBeGreaterThanOrEqual(300);
  expect(compared.every(({ theirs }) => typeof theirs === "object")).toBe(true);
});

test("the corpus has what it is meant to have", async () => {
  const all = compared.flatMap(({ theirs }) => (typeof theirs === "object" ? [theirs] : []));
  const count = (document: "primary" | "filelists" | "other", pattern: RegExp): number =>
    all.filter((each) => pattern.test(each[document])).length;

  expect(count("primary", /<arch>src<\/arch>/)).toBeGreaterThan(10);
  expect(count("primary", /epoch="4294967295"/)).toBeGreaterThan(3);
  expect(count("primary", /ver="[^"]*[~^]/)).toBeGreaterThan(50);
  expect(count("primary", /installed="5368709120"/)).toBe(1);
  expect(count("primary", /<rpm:entry name="\(alpha if beta\)"/)).toBeGreaterThan(5);
  expect(count("primary", /name="libc\.so\.6\(GLIBC/)).toBeGreaterThan(10);
  expect(count("primary", /pre="1"/)).toBeGreaterThan(50);
  for (const kind of [
    "suggests",
    "enhances",
    "recommends",
    "supplements",
    "conflicts",
    "obsoletes",
  ]) {
    expect(count("primary", new RegExp(`<rpm:${kind}>`))).toBeGreaterThan(20);
  }
  expect(count("filelists", /type="ghost"/)).toBeGreaterThan(50);
  expect(count("filelists", /type="dir"/)).toBeGreaterThan(50);
  expect(count("filelists", /日本語.*\n/)).toBe(1);
  expect(all.some(({ filelists }) => filelists.split("<file").length > 10_000)).toBe(true);
  expect(count("other", /<changelog/)).toBeGreaterThan(250);
  expect(count("primary", /<name>native-debuginfo/)).toBe(1);
});

test("each kind of payload and of architecture is read as what it is", async () => {
  const rpms = await Promise.all(corpus.map(readRpm));

  const compressors = new Set(rpms.map(({ payload }) => payload.compressor));
  const arches = new Set(rpms.map(({ nevra }) => nevra.arch));

  // rpm writes no compressor where there is none, and `gzip` is what a missing one means.
  expect([...compressors].toSorted()).toEqual(["bzip2", "gzip", "lzma", "xz", "zstd"]);
  expect([...arches].toSorted()).toEqual([
    "aarch64",
    "i686",
    "noarch",
    "nosrc",
    "ppc64le",
    "s390x",
    "src",
    "x86_64",
  ]);
});

test("the digests and sizes of all of them are right", async () => {
  await Promise.all(corpus.map(checkDigests));
});

test("all kinds of scripts are found, with their interpreters", async () => {
  const path = corpus.find((each) => each.endsWith("scripts-1.0-1.noarch.rpm"));

  const { scripts } = await readRpm(path ?? "");

  expect(
    scripts.map(({ kind, interpreter, text }) => `${kind} ${interpreter} ${text.trim()}`),
  ).toEqual([
    "pretrans <lua> print('lua')",
    "pre /bin/sh echo pre",
    "post /sbin/ldconfig ",
    "preun /bin/sh echo preun",
    "postun /usr/bin/perl print 1;",
    "posttrans /bin/sh echo posttrans",
    "verify /bin/sh echo verify",
    "triggerin /bin/sh echo triggerin",
    "triggerun /bin/sh echo triggerun",
    "triggerpostun /bin/sh echo triggerpostun",
    "triggerprein /bin/sh echo triggerprein",
    "filetriggerin /bin/sh echo filetriggerin",
    "transfiletriggerun <lua> print('t')",
  ]);
});
