import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseRpm, readRpm } from "../../../src/yum/rpm/read-rpm.ts";
import type { RpmPackage } from "../../../src/yum/rpm/rpm-package.ts";
import {
  binary,
  fileBytes,
  headerBytes,
  int16,
  int32,
  int64,
  PLAIN,
  rpmBytes,
  text,
  texts,
  translated,
} from "../../support/rpm-bytes.ts";
import type { RpmEntry } from "../../support/rpm-bytes.ts";

function read(...entries: readonly RpmEntry[]): RpmPackage {
  return parseRpm(rpmBytes({ main: [...PLAIN, ...entries] }));
}

function readWithout(...tags: readonly number[]): RpmPackage {
  return parseRpm(rpmBytes({ main: PLAIN.filter(({ tag }) => !tags.includes(tag)) }));
}

test("a package of nothing but its name has empty texts and lists", () => {
  const bytes = rpmBytes({ main: PLAIN, payload: Buffer.from("payload") });

  const rpm = parseRpm(bytes);

  expect(rpm.nevra).toEqual({
    name: "plain",
    epoch: 0,
    version: "1.0",
    release: "1",
    arch: "noarch",
  });
  expect(rpm).toMatchObject({ summary: "", vendor: "", sourceRpm: "plain-1.0-1.src.rpm" });
  expect(rpm).toMatchObject({ installedBytes: 0, archiveBytes: 7, buildTime: 0 });
  expect([rpm.files, rpm.changelog, rpm.scripts, rpm.signatures]).toEqual([[], [], [], []]);
  expect(Object.values(rpm.relations)).toEqual(Array.from({ length: 8 }, () => []));
  expect(bytes.subarray(rpm.headerStart, rpm.headerStart + 4).toString("hex")).toBe("8eade801");
  expect(bytes.subarray(rpm.headerEnd).toString()).toBe("payload");
});

test("from a file, the same is read as from its bytes, be its header short or long", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tatara-read-"));
  const long = [...PLAIN, text(1005, "A long description. ".repeat(20_000))];
  for (const main of [PLAIN, long]) {
    const bytes = rpmBytes({ main, payload: Buffer.alloc(100_000) });
    await writeFile(join(folder, "a.rpm"), bytes);

    const fromFile = await readRpm(join(folder, "a.rpm"));

    expect(fromFile).toEqual(parseRpm(bytes));
  }
  await rm(folder, { recursive: true });
});

test("texts are UTF-8, or else Latin-1 without its control characters", () => {
  const rpm = read(
    translated(1004, ["Ünï ☃ 🦆", "the same, translated"]),
    text(1011, Buffer.from("Gr\u00fc\u00dfe \u0080\u0093", "latin1")),
    // A slash in two bytes looks like UTF-8, and libxml2 takes it for a slash.
    text(1015, Buffer.from([0xc0, 0xaf])),
  );

  expect([rpm.summary, rpm.vendor, rpm.packager]).toEqual(["Ünï ☃ 🦆", "Grüße ", "À"]);
});

test("sizes beyond 32 bits are read from the entries for them", () => {
  const large = [int64(5009, [2 ** 40]), int32(1009, [5])];
  const bytes = rpmBytes({ main: [...PLAIN, ...large], signature: [int64(271, [2 ** 33])] });

  const rpm = parseRpm(bytes);

  expect([rpm.installedBytes, rpm.archiveBytes]).toEqual([2 ** 40, 2 ** 33]);
});

test("the payload's size is read from the header, if the signatures do not have it", () => {
  const main = headerBytes(63, [...PLAIN, int32(1046, [77])]);

  const rpm = parseRpm(fileBytes(headerBytes(62, [int32(1000, [1])]), main));

  expect(rpm.archiveBytes).toBe(77);
});

test("a source package is src, or nosrc if some of its sources are left out", () => {
  const old = readWithout(1044);
  const source = read(int32(1106, [1]));
  const nosource = read(int32(1106, [1]), int32(1051, [0]));
  const nopatch = read(int32(1106, [1]), int32(1052, [0]));

  const arches = [old, source, nosource, nopatch].map(({ nevra }) => nevra.arch);

  expect(arches).toEqual(["src", "src", "nosrc", "nosrc"]);
});

test("relations have their flags, their version in parts, and what must come first", () => {
  const { requires, recommends, suggests, supplements } = read(
    texts(1049, ["a", "b", "c", "d", "e"]),
    texts(1050, ["", "2:1.0-3", "1", ":1-", "x:1"]),
    int32(1048, [0, 12 | 512, 10 | 64, 8 | 1024, 4]),
    texts(1156, ["strong", "weak"]),
    texts(1157, ["", ""]),
    int32(1158, [1 << 27, 0]),
    texts(5052, ["s"]),
    texts(5053, ["1"]),
    int32(5054, [2]),
  ).relations;

  const parts = requires.map(({ comparison, epoch, version, release, isPre }) => [
    comparison,
    epoch,
    version,
    release,
    isPre,
  ]);
  expect(parts).toEqual([
    ["", undefined, undefined, undefined, false],
    ["GE", "2", "1.0", "3", true],
    ["LE", "0", "1", undefined, true],
    ["EQ", "0", "1", undefined, true],
    ["GT", undefined, "1", undefined, false],
  ]);
  expect([recommends, suggests].map((list) => list.map(({ name }) => name))).toEqual([
    ["strong"],
    ["weak"],
  ]);
  expect(supplements).toMatchObject([{ name: "s", comparison: "LT", evr: "1", flags: 2 }]);
});

test("files have their kind and all that the header says of them", () => {
  const { files } = read(
    int64(5008, [2 ** 33, 0, 3]),
    int16(1030, [0o100644, 0o40755, 0o120777]),
    int32(1034, [7, 8, 9]),
    texts(1035, ["ab", "", ""]),
    texts(1036, ["", "", "target"]),
    int32(1037, [1, 64, 64]),
    texts(1039, ["root", "u", "u"]),
    texts(1040, ["root", "g", "g"]),
    int32(1116, [0, 0, 1]),
    texts(1117, ["a.conf", "dir", "ghöst"]),
    texts(1118, ["/etc/", "/"]),
  );

  const regular = {
    path: "/etc/a.conf",
    kind: "file",
    mode: 0o100644,
    sizeBytes: 2 ** 33,
    digest: "ab",
  };
  const owned = { linkTarget: "", flags: 1, user: "root", group: "root", mtime: 7 };
  expect(files[0]).toEqual({ ...regular, ...owned });
  expect(files[1]).toMatchObject({ path: "/etc/dir", kind: "dir", user: "u", mtime: 8 });
  expect(files[2]).toMatchObject({
    path: "/ghöst",
    kind: "ghost",
    linkTarget: "target",
    sizeBytes: 3,
  });
});

test("all of the changelog is read, newest first", () => {
  const count = 500;
  const numbers = Array.from({ length: count }, (_, index) => count - index);

  const { changelog } = read(
    int32(1080, numbers),
    texts(
      1081,
      numbers.map((each) => `Ada ${each}`),
    ),
    texts(
      1082,
      numbers.map((each) => `- ${each}`),
    ),
  );

  expect(changelog).toHaveLength(count);
  expect(changelog[0]).toEqual({ author: "Ada 500", time: 500, text: "- 500" });
});

test("the payload is what the header says, or gzipped cpio", () => {
  const named = [text(1124, "cpio"), text(1125, "zstd"), texts(5092, ["abcd"]), int32(5093, [10])];

  expect(read(...named).payload).toEqual({
    format: "cpio",
    compressor: "zstd",
    digestAlgorithm: "sha512",
    digest: "abcd",
  });
  expect(read(int32(5093, [99])).payload).toMatchObject({
    compressor: "gzip",
    digestAlgorithm: undefined,
  });
});

test("signatures are found with the key that made them", () => {
  const id = "0123456789abcdef";
  const version3 = `881303050000000000${id}01080000`;
  const signature = [
    binary(267, Buffer.from("no packet")),
    binary(268, openPgp4(`0910${id}`, "")),
    binary(1002, Buffer.from(version3, "hex")),
    binary(1005, openPgp4("", `162104${"ff".repeat(12)}${id}`)),
    texts(278, [openPgp4("", `0910${id}`).toString("base64")]),
  ];

  const { signatures } = parseRpm(rpmBytes({ main: PLAIN, signature }));

  expect(signatures.map(({ tag, keyId }) => [tag, keyId])).toEqual([
    [267, undefined],
    [268, id],
    [1002, id],
    [1005, id],
    [278, id],
  ]);
});

/** A signature packet of version 4 with these subpackets, in hexadecimal. */
function openPgp4(hashed: string, unhashed: string): Buffer {
  const size = (hex: string): string => (hex.length / 2).toString(16).padStart(4, "0");
  const body = `04000108${size(hashed)}${hashed}${size(unhashed)}${unhashed}abcd`;
  return Buffer.from(`88${(body.length / 2).toString(16).padStart(2, "0")}${body}`, "hex");
}
