import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fragmentsOf } from "../../../src/yum/rpm/fragments.ts";
import { parseRpm, readRpm, RpmRefused } from "../../../src/yum/rpm/read-rpm.ts";
import { canonicalXml } from "../../support/canonical-xml.ts";
import {
  binary,
  FULL,
  int16,
  int32,
  int64,
  PLAIN,
  rpmBytes,
  texts,
} from "../../support/rpm-bytes.ts";

const WHOLE = rpmBytes({
  main: FULL,
  signature: [binary(268, Buffer.from("88070400010800000000", "hex")), int64(270, [5])],
});
const EVIL = [
  0, 1, 2, 7, 16, 63, 0xffff, 0x10000, 0x00ffffff, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
];
const FILE = { sha256: "0".repeat(64), sizeBytes: 1, fileName: "x.rpm", mtimeSeconds: 1 };

/** Whether it is taken; then its XML must be well-formed. Any error but a refusal fails the test. */
function isTaken(bytes: Buffer): boolean {
  try {
    const xml = fragmentsOf(parseRpm(bytes), FILE);
    for (const document of Object.values(xml)) canonicalXml(document);
    return true;
  } catch (err) {
    if (err instanceof RpmRefused) return false;
    throw err;
  }
}

function codeOf(bytes: Buffer): string {
  try {
    parseRpm(bytes);
    return "taken";
  } catch (err) {
    return err instanceof RpmRefused ? err.code : String(err);
  }
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(value >>> 0, at);
  return copy;
}

const MAIN = parseRpm(WHOLE).headerStart;

describe("a file that is cut off", () => {
  test("is refused wherever its headers end, and read once they are whole", () => {
    const { headerEnd } = parseRpm(WHOLE);

    const codes = Array.from({ length: headerEnd }, (_, length) =>
      codeOf(WHOLE.subarray(0, length)),
    );

    expect(new Set(codes.slice(0, 4))).toEqual(new Set(["NOT_RPM"]));
    expect(new Set(codes.slice(4))).toEqual(new Set(["TRUNCATED"]));
    expect(codeOf(WHOLE.subarray(0, headerEnd))).toBe("taken");
  });

  test("is refused by the same names when it is read from the disk", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-cut-"));
    const path = join(folder, "cut.rpm");
    for (const length of [
      0,
      3,
      4,
      95,
      96,
      111,
      112,
      200,
      MAIN - 1,
      MAIN,
      MAIN + 15,
      MAIN + 16,
      MAIN + 99,
    ]) {
      const cut = WHOLE.subarray(0, length);
      await writeFile(path, cut);

      await expect(readRpm(path)).rejects.toMatchObject({ name: "RpmRefused", code: codeOf(cut) });
    }
    await rm(folder, { recursive: true });
  });
});

describe("whatever is wrong with an RPM", () => {
  test("each word of its headers may be any, and it is read or refused", () => {
    let taken = 0;
    const { headerEnd } = parseRpm(WHOLE);
    for (let at = 0; at + 4 <= headerEnd; at += 4) {
      const near = [-1, 1].map((by) => (WHOLE.readUInt32BE(at) + by) >>> 0);
      for (const value of [...EVIL, ...near]) taken += isTaken(changed(WHOLE, at, value)) ? 1 : 0;
    }

    expect(taken).toBeGreaterThan(100);
  });

  test("any bits of it may be flipped, and any parts repeated or left out", () => {
    const flip = fc.tuple(fc.nat(WHOLE.length - 1), fc.nat(7));
    const piece = fc.tuple(fc.nat(WHOLE.length), fc.nat(WHOLE.length), fc.nat(WHOLE.length));

    fc.assert(
      fc.property(fc.array(flip, { maxLength: 6 }), fc.option(piece), (flips, moved) => {
        const bytes = Buffer.from(WHOLE);
        for (const [at, bit] of flips) bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        if (moved !== null) bytes.copyWithin(moved[0], Math.min(moved[1], moved[2]), moved[2]);
        isTaken(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});

test("a header of 200,000 files is read and written", () => {
  const count = 200_000;
  const each = <T>(value: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => value(index));
  const main = [
    ...PLAIN,
    int32(
      1028,
      each((index) => index),
    ),
    int16(
      1030,
      each(() => 0o100644),
    ),
    int32(
      1034,
      each(() => 1_700_000_000),
    ),
    texts(
      1035,
      each(() => "0123456789abcdef".repeat(4)),
    ),
    texts(
      1036,
      each(() => ""),
    ),
    int32(
      1037,
      each(() => 0),
    ),
    texts(
      1039,
      each(() => "root"),
    ),
    texts(
      1040,
      each(() => "root"),
    ),
    int32(
      1116,
      each((index) => index % 1000),
    ),
    texts(
      1117,
      each((index) => `file-${index}`),
    ),
    texts(
      1118,
      Array.from({ length: 1000 }, (_, index) => `/usr/share/folder-${index}/`),
    ),
  ];

  const { filelists } = fragmentsOf(parseRpm(rpmBytes({ main })), FILE);

  expect(filelists.match(/<file>/g)).toHaveLength(count);
  expect(filelists).toContain("<file>/usr/share/folder-999/file-199999</file>");
});
