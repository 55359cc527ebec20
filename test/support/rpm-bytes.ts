import { createHash } from "node:crypto";

/** An entry of a header, in the types of the file format. */
export interface RpmEntry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly data: Buffer;
}

type Text = string | Buffer;

export const text = (tag: number, value: Text): RpmEntry => entry(tag, 6, [nulEnded(value)]);
export const texts = (tag: number, values: readonly Text[]): RpmEntry =>
  entry(tag, 8, values.map(nulEnded));
export const translated = (tag: number, values: readonly Text[]): RpmEntry =>
  entry(tag, 9, values.map(nulEnded));
export const binary = (tag: number, bytes: Buffer): RpmEntry => ({
  tag,
  type: 7,
  count: bytes.length,
  data: bytes,
});
export const int16 = (tag: number, values: readonly number[]): RpmEntry =>
  entry(
    tag,
    3,
    values.map((value) => integer(value, 2)),
  );
export const int32 = (tag: number, values: readonly number[]): RpmEntry =>
  entry(
    tag,
    4,
    values.map((value) => integer(value, 4)),
  );
export const int64 = (tag: number, values: readonly number[]): RpmEntry =>
  entry(
    tag,
    5,
    values.map((value) =>
      Buffer.concat([integer(Math.floor(value / 2 ** 32), 4), integer(value % 2 ** 32, 4)]),
    ),
  );

export interface RpmParts {
  readonly main: readonly RpmEntry[];
  /** Added to the digests and sizes, or in their place. */
  readonly signature?: readonly RpmEntry[];
  readonly payload?: Buffer;
}

/** What rpm demands of a binary package, and no more. */
export const PLAIN: readonly RpmEntry[] = [
  texts(100, ["C"]),
  text(1000, "plain"),
  text(1001, "1.0"),
  text(1002, "1"),
  text(1021, "linux"),
  text(1022, "noarch"),
  text(1044, "plain-1.0-1.src.rpm"),
];

/** An RPM with entries of every type that is read. */
export const FULL: readonly RpmEntry[] = [
  ...PLAIN,
  int32(1003, [3]),
  text(1005, "Grüße"),
  int64(5009, [2 ** 33]),
  int16(1030, [0o100644, 0o40755]),
  int32(1037, [0, 64]),
  texts(1039, ["root", "root"]),
  int32(1116, [0, 1]),
  texts(1117, ["a", "b"]),
  texts(1118, ["/etc/", "/usr/bin/"]),
  texts(1049, ["libc.so.6(GLIBC_2.4)", "b"]),
  texts(1050, ["", "1:2-3"]),
  int32(1048, [0, 8]),
  int32(1080, [2, 1]),
  texts(1081, ["Ada", "Bob"]),
  texts(1082, ["- b", "- a"]),
  texts(1065, ["echo"]),
  texts(1092, ["/bin/sh"]),
  int32(1069, [0]),
  int32(1068, [1 << 16]),
];
const LEAD = Buffer.alloc(96);
LEAD.set(Buffer.from("edabeedb0300", "hex"));
LEAD.write("plain-1.0-1", 10);
LEAD.writeUInt16BE(1, 76);
LEAD.writeUInt16BE(5, 78);

/** A package whose digests are right; entries of the same tag replace earlier ones. */
export function rpmBytes({ main, ...rest }: RpmParts): Buffer {
  const payload = rest.payload ?? PAYLOAD;
  const ofPayload = createHash("sha256").update(payload).digest("hex");
  const entries = [texts(5092, [ofPayload]), int32(5093, [8]), ...main];
  return rpmAround(headerBytes(63, distinct(entries)), { ...rest, payload });
}

/** The same around any header, be it one at all. */
export function rpmAround(
  header: Buffer,
  { signature = [], payload = PAYLOAD }: Omit<RpmParts, "main">,
): Buffer {
  const hash = (algorithm: string) => createHash(algorithm).update(header);
  const signatureHeader = headerBytes(
    62,
    distinct([
      text(269, hash("sha1").digest("hex")),
      text(273, hash("sha256").digest("hex")),
      int32(1000, [header.length + payload.length]),
      binary(1004, hash("md5").update(payload).digest()),
      int32(1007, [payload.length]),
      ...signature,
    ]),
  );
  return fileBytes(signatureHeader, header, payload);
}

export function fileBytes(
  signatureHeader: Buffer,
  header: Buffer,
  payload: Buffer = PAYLOAD,
): Buffer {
  const padding = Buffer.alloc((8 - (signatureHeader.length % 8)) % 8);
  return Buffer.concat([LEAD, signatureHeader, padding, header, payload]);
}

const PAYLOAD = Buffer.from("payload");

/** A whole header: intro, region, entries as given, data, trailer. */
export function headerBytes(regionTag: number, entries: readonly RpmEntry[]): Buffer {
  const { index, data } = layOut(entries);
  const trailer = indexEntry(regionTag, 7, -ENTRY_BYTES * (entries.length + 1), ENTRY_BYTES);
  const region = indexEntry(regionTag, 7, data.length, ENTRY_BYTES);
  return joined(entries.length + 1, [region, ...index], Buffer.concat([data, trailer]));
}

/** The same without a region, as before rpm 4. */
export function oldHeaderBytes(entries: readonly RpmEntry[]): Buffer {
  const { index, data } = layOut(entries);
  return joined(entries.length, index, data);
}

function layOut(entries: readonly RpmEntry[]): { index: readonly Buffer[]; data: Buffer } {
  const index: Buffer[] = [];
  const parts: Buffer[] = [];
  let at = 0;
  for (const { tag, type, count, data } of entries) {
    const alignment = ALIGNMENT[type] ?? 1;
    const padding = Buffer.alloc((alignment - (at % alignment)) % alignment);
    at += padding.length;
    index.push(indexEntry(tag, type, at, count));
    parts.push(padding, data);
    at += data.length;
  }
  return { index, data: Buffer.concat(parts) };
}

function joined(count: number, index: readonly Buffer[], data: Buffer): Buffer {
  const magic = Buffer.from("8eade80100000000", "hex");
  return Buffer.concat([magic, integer(count, 4), integer(data.length, 4), ...index, data]);
}

const ENTRY_BYTES = 16;
const ALIGNMENT: Readonly<Record<number, number>> = { 3: 2, 4: 4, 5: 8 };

function distinct(entries: readonly RpmEntry[]): readonly RpmEntry[] {
  const byTag = new Map(entries.map((each) => [each.tag, each]));
  return [...byTag.values()].toSorted((a, b) => a.tag - b.tag);
}

function entry(tag: number, type: number, values: readonly Buffer[]): RpmEntry {
  return { tag, type, count: values.length, data: Buffer.concat(values) };
}

function indexEntry(tag: number, type: number, offset: number, count: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(tag, 0);
  bytes.writeUInt32BE(type, 4);
  bytes.writeInt32BE(offset, 8);
  bytes.writeUInt32BE(count, 12);
  return bytes;
}

function nulEnded(value: Text): Buffer {
  return Buffer.concat([Buffer.from(value), Buffer.alloc(1)]);
}

function integer(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}
