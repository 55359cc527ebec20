import { isAscii, isUtf8 } from "node:buffer";
import type { Header } from "./header.ts";
import { isText, TYPE, TYPE_BYTES } from "./header-tags.ts";
import { RpmRefused } from "./rpm-refused.ts";

/** A header's text before it is known to be UTF-8: one character per byte. */
export type ByteText = string;

/** Of a description, or of a script. */
const TEXT_BYTES_MAX = 4 * 2 ** 20;

/** The text of a tag that has one; the first translation. Empty if there is none, or several. */
export function textOf(header: Header, tag: number): string {
  const entry = header.entries.get(tag);
  if (entry === undefined || !isText(entry.type)) return "";
  if (entry.count !== 1 && entry.type !== TYPE.i18nString) return "";
  const end = header.data.indexOf(0, entry.start);
  if (end - entry.start > TEXT_BYTES_MAX) {
    throw new RpmRefused(
      "TOO_LARGE",
      `The RPM has a text (tag ${tag}) of ${end - entry.start} bytes.`,
    );
  }
  return decodeBytes(header.data.subarray(entry.start, end));
}

/** All texts of a tag; none if it is not there. */
export function textsOf(header: Header, tag: number): readonly string[] {
  const entry = header.entries.get(tag);
  if (entry === undefined) return [];
  const texts = byteTextsOf(header, tag);
  return isAscii(header.data.subarray(entry.start, entry.end)) ? texts : texts.map(decodeText);
}

export function byteTextsOf(header: Header, tag: number): readonly ByteText[] {
  const entry = header.entries.get(tag);
  if (entry === undefined) return [];
  if (!isText(entry.type) || entry.type === TYPE.i18nString) throw wrongType(tag);
  return header.data.toString("latin1", entry.start, entry.end - 1).split("\0");
}

/**
 * Unicode from UTF-8. What is not UTF-8 is taken for Latin-1 without its control characters, as
 * createrepo_c does (`cr_latin1_to_utf8`).
 */
export function decodeText(bytes: ByteText): string {
  // oxlint-disable-next-line no-control-regex -- the range of ASCII
  if (/^[\u0000-\u007f]*$/.test(bytes)) return bytes;
  return decodeBytes(Buffer.from(bytes, "latin1"));
}

function decodeBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  return bytes.toString("latin1").replaceAll(/[\u0080-\u00bf]/g, "");
}

/** Unsigned; of 64 bits only those that a double holds exactly. None if the tag is not there. */
export function numbersOf(header: Header, tag: number): readonly number[] {
  const entry = header.entries.get(tag);
  if (entry === undefined) return [];
  const read = READERS[entry.type];
  const size = TYPE_BYTES[entry.type];
  if (read === undefined || size === undefined) throw wrongType(tag);
  return Array.from({ length: entry.count }, (_, item) =>
    read(header.data, entry.start + item * size),
  );
}

/** The number of a tag that may have only one. */
export function numberOf(header: Header, tag: number): number | undefined {
  if ((header.entries.get(tag)?.count ?? 1) !== 1) {
    throw new RpmRefused("MALFORMED", `The RPM has several numbers of a kind (tag ${tag}).`);
  }
  return numbersOf(header, tag)[0];
}

export function bytesOf(header: Header, tag: number): Buffer | undefined {
  const entry = header.entries.get(tag);
  if (entry === undefined) return undefined;
  if (entry.type !== TYPE.binary) throw wrongType(tag);
  return header.data.subarray(entry.start, entry.end);
}

const READERS: Readonly<Record<number, (data: Buffer, at: number) => number>> = {
  [TYPE.char]: (data, at) => data.readUInt8(at),
  [TYPE.int8]: (data, at) => data.readUInt8(at),
  [TYPE.int16]: (data, at) => data.readUInt16BE(at),
  [TYPE.int32]: (data, at) => data.readUInt32BE(at),
  [TYPE.int64]: (data, at) => {
    const high = data.readUInt32BE(at);
    if (high >= 2 ** 21) throw new RpmRefused("TOO_LARGE", "The RPM claims a size beyond 8 PiB.");
    return high * 2 ** 32 + data.readUInt32BE(at + 4);
  },
};

function wrongType(tag: number): RpmRefused {
  return new RpmRefused("MALFORMED", `The RPM's tag ${tag} does not have the type that it should.`);
}
