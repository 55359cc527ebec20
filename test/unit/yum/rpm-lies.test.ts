import { describe, expect, test } from "vitest";
import { fragmentsOf } from "../../../src/yum/rpm/fragments.ts";
import { parseRpm, RpmRefused } from "../../../src/yum/rpm/read-rpm.ts";
import {
  binary,
  fileBytes,
  FULL,
  headerBytes,
  int16,
  int32,
  int64,
  oldHeaderBytes,
  PLAIN,
  rpmAround,
  rpmBytes,
  text,
  texts,
} from "../../support/rpm-bytes.ts";
import type { RpmEntry } from "../../support/rpm-bytes.ts";

const WHOLE = rpmBytes({ main: FULL });
const PLAIN_RPM = rpmBytes({ main: PLAIN });
const MAIN = parseRpm(WHOLE).headerStart;
const FILE = { sha256: "0".repeat(64), sizeBytes: 1, fileName: "x.rpm", mtimeSeconds: 1 };

const zeros = (count: number): readonly number[] => Array.from({ length: count }, () => 0);

function codeOf(bytes: Buffer): string {
  try {
    parseRpm(bytes);
    return "taken";
  } catch (err) {
    return err instanceof RpmRefused ? err.code : String(err);
  }
}

/** With one entry's four words changed: tag, type, offset, count. */
function withEntry(
  tag: number,
  change: Partial<Record<"tag" | "type" | "offset" | "count", number>>,
): Buffer {
  const header = headerBytes(63, FULL);
  const count = header.readUInt32BE(8);
  for (let at = 32; at < 16 + count * 16; at += 16) {
    if (header.readUInt32BE(at) !== tag) continue;
    for (const [word, name] of (["tag", "type", "offset", "count"] as const).entries()) {
      const value = change[name];
      if (value !== undefined) header.writeUInt32BE(value >>> 0, at + word * 4);
    }
  }
  return rpmAround(header, {});
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(value >>> 0, at);
  return copy;
}

function mainOf(...entries: readonly RpmEntry[]): Buffer {
  return rpmAround(headerBytes(63, [...FULL, ...entries]), {});
}

/** The trailer says how long the index is, as a negative number. */
function movedTrailer(header: Buffer, by: number): Buffer {
  const at = header.length - 8;
  return changed(header, at, header.readInt32BE(at) + by);
}

/** The last entry's data stay, but no entry points at them. */
function withoutLastEntry(header: Buffer): Buffer {
  const entries = header.readUInt32BE(8) - 1;
  const end = 16 + entries * 16;
  const shorter = Buffer.concat([header.subarray(0, end), header.subarray(end + 16)]);
  shorter.writeUInt32BE(entries, 8);
  return movedTrailer(shorter, 16);
}

describe("a lie", () => {
  test.each([
    ["that it is an RPM", "NOT_RPM", Buffer.from("PK\u0003\u0004".padEnd(500))],
    ["of rpm's version", "UNSUPPORTED", changed(PLAIN_RPM, 4, 0x05000000)],
    ["of the kind of signature", "UNSUPPORTED", changed(PLAIN_RPM, 76, 0x00010001)],
    ["of the signature header's magic", "MALFORMED", changed(PLAIN_RPM, 96, 0)],
    ["of the header's magic", "MALFORMED", changed(WHOLE, MAIN, 0)],
    ["of 33 signatures", "TOO_LARGE", changed(WHOLE, 104, 33)],
    ["of signatures of a gigabyte", "TOO_LARGE", changed(WHOLE, 108, 2 ** 30)],
    ["of 65536 entries", "TOO_LARGE", changed(WHOLE, MAIN + 8, 0x10000)],
    ["of data of four gigabytes", "TOO_LARGE", changed(WHOLE, MAIN + 12, 0xffffffff)],
    ["of data just within the limit", "TRUNCATED", changed(WHOLE, MAIN + 12, 31 * 2 ** 20)],
    ["of no entries", "MALFORMED", changed(WHOLE, MAIN + 8, 0)],
    ["of a region that rpm 3 did not have", "UNSUPPORTED", changed(WHOLE, MAIN + 16, 61)],
    ["of the region's type", "MALFORMED", changed(WHOLE, MAIN + 20, 6)],
    ["of the region's end", "MALFORMED", changed(WHOLE, MAIN + 24, 0x80000000)],
    ["of an offset beyond the data", "MALFORMED", withEntry(1000, { offset: 0x7fffffff })],
    ["of a negative offset", "MALFORMED", withEntry(1000, { offset: -8 })],
    ["of an offset in another entry", "MALFORMED", withEntry(1001, { offset: 0 })],
    ["of an offset that leaves a gap", "MALFORMED", withEntry(1000, { offset: 3 })],
    ["of an odd offset", "MALFORMED", withEntry(1003, { offset: 21 })],
    ["of a count of none", "MALFORMED", withEntry(1117, { count: 0 })],
    ["of a count beyond the data", "MALFORMED", withEntry(1117, { count: 1_000_000 })],
    ["of a count beyond rpm's limit", "MALFORMED", withEntry(1117, { count: 0x100000 })],
    [
      "of a count that is too large to multiply",
      "MALFORMED",
      withEntry(5009, { count: 0xffffffff }),
    ],
    ["of two names", "MALFORMED", withEntry(1000, { count: 2 })],
    ["of a type that rpm does not have", "MALFORMED", withEntry(1000, { type: 10 })],
    ["of no type", "MALFORMED", withEntry(1000, { type: 0 })],
    ["of a type that is not the tag's", "MALFORMED", withEntry(1003, { type: 7 })],
    ["of a tag below all tags", "MALFORMED", withEntry(1000, { tag: 99 })],
    ["of a negative tag", "MALFORMED", withEntry(1000, { tag: -1 })],
    ["of the same tag twice", "MALFORMED", withEntry(1001, { tag: 1000 })],
    ["of a tag that belongs to signatures", "MALFORMED", withEntry(1000, { tag: 269 })],
  ])("%s is refused: %s", (_, code, bytes) => {
    expect(codeOf(bytes)).toBe(code);
  });

  test.each([
    ["files of rpm 3", "UNSUPPORTED", [texts(1027, ["/a"])]],
    ["no architecture", "MALFORMED", [text(1022, "")]],
    ["two architectures", "MALFORMED", [texts(1022, ["a", "b"])]],
    ["two epochs", "MALFORMED", [int32(1003, [1, 2])]],
    ["sizes beyond all disks", "TOO_LARGE", [{ ...int64(5009, [0]), data: Buffer.alloc(8, 0xff) }]],
    ["a folder that it does not name", "MALFORMED", [int32(1116, [0, 2])]],
    ["a file without a mode", "MALFORMED", [int16(1030, [0])]],
    ["a file without an owner", "MALFORMED", [texts(1039, ["root"])]],
    ["more folders than files", "MALFORMED", [texts(1118, ["/a/", "/b/", "/c/"])]],
    ["a requirement without flags", "MALFORMED", [int32(1048, [0])]],
    ["a requirement without a version", "MALFORMED", [texts(1050, [""])]],
    ["translated requirements", "MALFORMED", [{ ...texts(1049, ["a", "b"]), type: 9 }]],
    ["a changelog entry without an author", "MALFORMED", [texts(1081, ["Ada"])]],
    ["a changelog entry without a time", "MALFORMED", [int32(1080, [1])]],
    ["a trigger without a moment", "MALFORMED", [int32(1068, [0])]],
    [
      "more files than allowed",
      "TOO_LARGE",
      [
        texts(
          1117,
          Array.from({ length: 500_001 }, () => ""),
        ),
      ],
    ],
    ["more triggers than allowed", "TOO_LARGE", [int32(1069, zeros(100_001))]],
    ["a longer changelog than allowed", "TOO_LARGE", [int32(1080, zeros(100_001))]],
    [
      "more relations than allowed",
      "TOO_LARGE",
      [
        texts(
          1047,
          Array.from({ length: 200_001 }, () => ""),
        ),
      ],
    ],
  ])("%s is refused: %s", (_, code, entries) => {
    const tags = new Set(entries.map(({ tag }) => tag));
    const main = [...FULL.filter(({ tag }) => !tags.has(tag)), ...entries];

    expect(codeOf(rpmBytes({ main }))).toBe(code);
  });

  const header = headerBytes(63, FULL);
  const signature = (...entries: readonly RpmEntry[]): Buffer =>
    fileBytes(headerBytes(62, entries), header);
  const odd = headerBytes(62, [text(269, ""), int32(1000, [1])]);
  const withBlob = (blob: Buffer): Buffer => headerBytes(63, [...FULL, binary(9999, blob)]);
  const inBlob = withBlob(withBlob(Buffer.alloc(16)).subarray(-16));
  const startOfBlob = inBlob.length - (16 + 16 * (FULL.length + 2)) - 32;
  const long = headerBytes(63, [...FULL, binary(9999, Buffer.alloc(8))]);

  test.each([
    ["two vendors", "tag 1011 twice", mainOf(text(1011, "a"), text(1011, "b"))],
    ["two texts that are one", "tag 1011, type 6", mainOf({ ...texts(1011, ["a", "b"]), type: 6 })],
    ["a digest among the facts", "tag 269, type 6", mainOf(text(269, "x"))],
    ["a million states", "tag 1029", mainOf({ ...binary(1029, Buffer.alloc(0x100000)), type: 1 })],
    ["hidden bytes", "belong to no entry", rpmAround(withoutLastEntry(long), {})],
    [
      "a region in a blob",
      "not covered by its region",
      rpmAround(changed(inBlob, 24, startOfBlob), {}),
    ],
    [
      "a region of fewer entries",
      "not covered by its region",
      rpmAround(movedTrailer(header, 16), {}),
    ],
    [
      "a signature region of half an entry",
      "trailer of its region",
      fileBytes(movedTrailer(odd, 8), header),
    ],
    [
      "a signature region of too many entries",
      "trailer of its region",
      fileBytes(movedTrailer(odd, -16), header),
    ],
    [
      "a signature at an odd place",
      "tag 1000",
      fileBytes(changed(odd, 16 + 2 * 16 + 8, 3), header),
    ],
    [
      "a signature in the trailer",
      "in the trailer",
      fileBytes(changed(odd, 16 + 2 * 16 + 8, 8), header),
    ],
    [
      "a signature before another",
      "out of place",
      fileBytes(changed(odd, 16 + 2 * 16 + 8, 0), header),
    ],
    [
      "a signature beyond the data",
      "tag 1000",
      fileBytes(oldHeaderBytes([{ ...int32(1000, [1]), count: 2 }]), header),
    ],
  ])("%s: %s", (_, message, bytes) => {
    expect(() => parseRpm(bytes)).toThrow(message);
    expect(codeOf(bytes)).toBe("MALFORMED");
  });

  test("is not that a signature header has no region, or an older one", () => {
    const old = headerBytes(62, [int32(1000, [1])]);
    old.writeUInt32BE(61, old.length - 16);

    expect(codeOf(fileBytes(old, header))).toBe("taken");
    expect(codeOf(fileBytes(oldHeaderBytes([int32(1000, [1])]), header))).toBe("taken");
    expect(codeOf(signature(text(269, "x"), int32(1000, [1])))).toBe("taken");
  });

  test("of a version of libc's symbols without end is refused", () => {
    const main = [...FULL, texts(1049, [`libc.so.6(GLIBC_2.${"1.".repeat(500)})`, "b"])];

    expect(() => fragmentsOf(parseRpm(rpmBytes({ main })), FILE)).toThrow("version of libc");
  });
});
