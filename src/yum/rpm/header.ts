import {
  isLegalType,
  isText,
  SIGNATURE_ONLY_TAGS,
  SIGNATURE_TAG,
  TAG,
  TYPE,
} from "./header-tags.ts";
import { TYPE_BYTES } from "./header-tags.ts";
import { RpmRefused } from "./rpm-refused.ts";

/**
 * A header: an index of entries, and the data that they point into. Each entry lies within the data
 * and overlaps no other, so that reading all of them takes time linear in the header's size.
 */
export interface Header {
  readonly entries: ReadonlyMap<number, HeaderEntry>;
  readonly data: Buffer;
}

export interface HeaderEntry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  /** Range in the data. */
  readonly start: number;
  readonly end: number;
}

export type HeaderKind = "signature" | "main";

/** Magic, reserved bytes, number of entries, bytes of data. */
export const INTRO_BYTES = 16;
const ENTRY_BYTES = 16;
const MAGIC = Buffer.from("8eade80100000000", "hex");
/** rpm's limits on entries; ours on bytes. A main header of 32 MiB has room for 200,000 files. */
const LIMITS = {
  signature: { entriesMax: 32, bytesMax: 2 ** 20, what: "signature header" },
  main: { entriesMax: 0xffff, bytesMax: 32 * 2 ** 20, what: "header" },
} as const;
const ITEMS_MAX = 0xfffff;
const HEADER_IMAGE_TAG = 61;
/** Lower ones mark regions. */
const FIRST_TAG = 100;

/** How long the header is, intro included, as its intro claims. */
export function headerBytes(intro: Buffer, kind: HeaderKind): number {
  const { entriesMax, bytesMax, what } = LIMITS[kind];
  if (!intro.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new RpmRefused("MALFORMED", `The RPM has no ${what} where it should be.`);
  }
  const entries = intro.readUInt32BE(8);
  const bytes = INTRO_BYTES + entries * ENTRY_BYTES + intro.readUInt32BE(12);
  if (entries > entriesMax || bytes > bytesMax) {
    throw new RpmRefused(
      "TOO_LARGE",
      `The RPM's ${what} claims ${entries} entries and ${bytes} bytes; ${entriesMax} and ${bytesMax} are allowed.`,
    );
  }
  return bytes;
}

/**
 * Checks a whole header, of the length that `headerBytes` told, by the rules of rpm's own reader
 * (lib/header.c, `hdrblobInit`).
 */
export function parseHeader(bytes: Buffer, kind: HeaderKind): Header {
  const count = bytes.readUInt32BE(8);
  const index = bytes.subarray(INTRO_BYTES, INTRO_BYTES + count * ENTRY_BYTES);
  const data = bytes.subarray(INTRO_BYTES + index.length);
  if (count === 0) throw malformed(kind, "has no entries");
  const regionEnd = kind === "main" ? endOfMainRegion(index, data) : endOfSignatures(index, data);
  const entries = new Map<number, HeaderEntry>();
  let end = 0;
  for (let at = regionEnd === undefined ? 0 : ENTRY_BYTES; at < index.length; at += ENTRY_BYTES) {
    const entry = readEntry(index, at, data, kind);
    if (!isInPlace(entry, end, kind)) {
      throw malformed(kind, `has an entry (tag ${entry.tag}) out of place`);
    }
    if (regionEnd !== undefined && isInTrailer(entry, regionEnd)) {
      throw malformed(kind, `has an entry (tag ${entry.tag}) in the trailer of its region`);
    }
    if (entries.has(entry.tag)) throw malformed(kind, `has the tag ${entry.tag} twice`);
    entries.set(entry.tag, entry);
    ({ end } = entry);
  }
  if (kind === "main" && end + ENTRY_BYTES !== data.length) {
    throw malformed(kind, "has data that belong to no entry");
  }
  return { entries, data };
}

/** In a main header nothing lies between two entries but what the second one's alignment needs. */
function isInPlace({ type, start }: HeaderEntry, previousEnd: number, kind: HeaderKind): boolean {
  if (kind === "signature") return start >= previousEnd;
  return start === previousEnd + paddingBefore(type, previousEnd);
}

/** What comes after the region is added by others, and may be there in a signature header. */
function isInTrailer({ start, end }: HeaderEntry, regionEnd: number): boolean {
  return end > regionEnd - ENTRY_BYTES && start < regionEnd;
}

/** Of a package file the region must span the whole header. Those of rpm 3 have none. */
function endOfMainRegion(index: Buffer, data: Buffer): number {
  if (index.readUInt32BE(0) !== TAG.region) {
    throw new RpmRefused("UNSUPPORTED", "The RPM has the format of rpm 3, which is not supported.");
  }
  const { start, entries } = readRegion(index, data, "main");
  if (start + ENTRY_BYTES !== data.length || entries * ENTRY_BYTES !== index.length) {
    throw malformed("main", "is not covered by its region");
  }
  return data.length;
}

/** Where the region of a signature header ends in its data; it need not have one. */
function endOfSignatures(index: Buffer, data: Buffer): number | undefined {
  if (index.readUInt32BE(0) !== SIGNATURE_TAG.region) return undefined;
  return readRegion(index, data, "signature").start + ENTRY_BYTES;
}

/** The first entry points at a trailer in the data, an entry with the region's negative length. */
function readRegion(
  index: Buffer,
  data: Buffer,
  kind: HeaderKind,
): { readonly start: number; readonly entries: number } {
  const start = index.readInt32BE(8);
  const isRegion = (bytes: Buffer, at: number): boolean =>
    bytes.readUInt32BE(at + 4) === TYPE.binary && bytes.readUInt32BE(at + 12) === ENTRY_BYTES;
  if (!isRegion(index, 0) || start < 0 || start + ENTRY_BYTES > data.length) {
    throw malformed(kind, "has a bad region");
  }
  const regionTag = index.readUInt32BE(0);
  const trailerTag = data.readUInt32BE(start);
  const isOldTrailer = kind === "signature" && trailerTag === HEADER_IMAGE_TAG;
  const indexBytes = -data.readInt32BE(start + 8);
  const isWhole = indexBytes > 0 && indexBytes % ENTRY_BYTES === 0 && indexBytes <= index.length;
  if ((trailerTag !== regionTag && !isOldTrailer) || !isRegion(data, start) || !isWhole) {
    throw malformed(kind, "has a bad trailer of its region");
  }
  return { start, entries: indexBytes / ENTRY_BYTES };
}

function readEntry(index: Buffer, at: number, data: Buffer, kind: HeaderKind): HeaderEntry {
  const tag = index.readUInt32BE(at);
  const type = index.readUInt32BE(at + 4);
  const start = index.readUInt32BE(at + 8);
  const count = index.readUInt32BE(at + 12);
  const end = endOfItems(data, type, start, count);
  const isNegative = tag > 0x7fffffff;
  if (tag < FIRST_TAG || isNegative || end === undefined || end <= start) {
    throw malformed(kind, `has a bad entry (tag ${tag}, type ${type}, ${count} items at ${start})`);
  }
  if (kind === "main" && (!isLegalType(tag, type) || SIGNATURE_ONLY_TAGS.has(tag))) {
    throw malformed(kind, `has an entry that may not be there (tag ${tag}, type ${type})`);
  }
  return { tag, type, count, start, end };
}

/** Undefined if they do not lie within the data. */
function endOfItems(data: Buffer, type: number, start: number, count: number): number | undefined {
  if (count < 1 || start > data.length || (type !== TYPE.binary && count > ITEMS_MAX)) {
    return undefined;
  }
  if (type === TYPE.string && count > 1) return undefined;
  if (isText(type)) return endOfTexts(data, start, count);
  const size = TYPE_BYTES[type];
  if (size === undefined || start % size !== 0) return undefined;
  const end = start + size * count;
  return end > data.length ? undefined : end;
}

/** Texts end with a zero byte. */
function endOfTexts(data: Buffer, start: number, count: number): number | undefined {
  let left = count;
  for (let at = start; at < data.length; at += 1) {
    if (data[at] === 0) {
      left -= 1;
      if (left === 0) return at + 1;
    }
  }
  return undefined;
}

function paddingBefore(type: number, at: number): number {
  const size = TYPE_BYTES[type] ?? 1;
  return (size - (at % size)) % size;
}

function malformed(kind: HeaderKind, what: string): RpmRefused {
  return new RpmRefused("MALFORMED", `The RPM's ${LIMITS[kind].what} ${what}.`);
}
