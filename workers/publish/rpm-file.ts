import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

/**
 * The container format of an RPM: lead, signature header, header, payload. Only the signature header
 * is understood here, since signing puts an entry into it; everything else is bytes.
 */
export interface RpmHead {
  readonly lead: Buffer;
  readonly signatures: readonly HeaderEntry[];
  /** The signature header's length, without the padding that follows it. */
  readonly signatureBytes: number;
  /** The header exactly as it is signed. */
  readonly header: Buffer;
}

export interface HeaderEntry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly data: Buffer;
}

/** The file is not an RPM, or one that we refuse to read. */
export class NotAnRpm extends Error {
  override readonly name = "NotAnRpm";
}

/** Signing holds a header in memory, so it has a bound: some 200,000 files fit. */
export const HEADER_BYTES_MAX = 32 * 2 ** 20;
const SIGNATURE_BYTES_MAX = 2 ** 20;
const ENTRIES_MAX = 0xffff;
const FIRST_READ_BYTES = 65_536;
const LEAD_BYTES = 96;
const INTRO_BYTES = 16;
const ENTRY_BYTES = 16;
const LEAD_MAGIC = Buffer.from("edabeedb", "hex");
const HEADER_MAGIC = Buffer.from("8eade80100000000", "hex");

/** The region: one entry that spans all others, with a trailer at the end of the data. */
const REGION_TAG = 62;
const RSA_TAG = 268;
/** Space that rpmbuild leaves free, so that a signature does not move the rest of the file. */
const RESERVED_TAG = 1008;
const BINARY = 7;
const STRING = 6;
const STRING_LISTS = [8, 9];
const TYPE_BYTES: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1 };

/** Tags of every kind of signature: DSA, RSA, PGP, GPG over header or file, and rpm 6's OpenPGP. */
const SIGNATURE_TAGS = [267, RSA_TAG, 278, 1002, 1005];

/** Reads lead and headers. Throws `NotAnRpm` with the reason. */
export async function readRpmHead(path: string): Promise<RpmHead> {
  const file = await open(path, "r");
  try {
    const source = { file, start: await readStart(file) };
    const lead = await readExactly(source, 0, LEAD_BYTES, "lead");
    if (!lead.subarray(0, 4).equals(LEAD_MAGIC)) throw new NotAnRpm("it is not an RPM");
    const signature = await readHeader(source, LEAD_BYTES, SIGNATURE_BYTES_MAX, "signature header");
    const signatureBytes = signature.length;
    const start = LEAD_BYTES + padded(signatureBytes);
    const header = await readHeader(source, start, HEADER_BYTES_MAX, "header");
    return { lead, signatures: readEntries(signature), signatureBytes, header };
  } finally {
    await file.close();
  }
}

export function isSigned(head: RpmHead): boolean {
  return head.signatures.some(({ tag }) => SIGNATURE_TAGS.includes(tag));
}

/** Where the header starts in the file; everything from there on is kept as it is. */
export function headerStart(head: RpmHead): number {
  return LEAD_BYTES + padded(head.signatureBytes);
}

/**
 * Lead and signature header with the signature in it: they take the place of the old ones. Whoever
 * signed before is forgotten: a host with our key alone would refuse a file with two signers.
 */
export function signedStart(head: RpmHead, signature: Buffer): Buffer {
  const rsa = { tag: RSA_TAG, type: BINARY, count: signature.length, data: signature };
  const others = head.signatures.filter(({ tag }) => !SIGNATURE_TAGS.includes(tag));
  const entries = [...others, rsa].toSorted((a, b) => a.tag - b.tag);
  const encoded = encodeEntries(shrinkReserved(entries, head.signatureBytes));
  const padding = Buffer.alloc(padded(encoded.length) - encoded.length);
  return Buffer.concat([head.lead, encoded, padding]);
}

/** Takes the new entry's room out of the reserved space, as rpmsign does, if it is large enough. */
function shrinkReserved(entries: readonly HeaderEntry[], wantedBytes: number): HeaderEntry[] {
  const grownBytes = encodeEntries(entries).length - wantedBytes;
  return entries.map((entry) => {
    const count = entry.count - grownBytes;
    if (entry.tag !== RESERVED_TAG || grownBytes <= 0 || count <= 0) return entry;
    return { ...entry, count, data: entry.data.subarray(0, count) };
  });
}

interface Source {
  readonly file: FileHandle;
  /** Most heads fit into what the first read brings. */
  readonly start: Buffer;
}

async function readStart(file: FileHandle): Promise<Buffer> {
  const bytes = Buffer.alloc(FIRST_READ_BYTES);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
  return bytes.subarray(0, bytesRead);
}

async function readHeader(
  source: Source,
  at: number,
  bytesMax: number,
  what: string,
): Promise<Buffer> {
  const intro = await readExactly(source, at, INTRO_BYTES, what);
  if (!intro.subarray(0, 8).equals(HEADER_MAGIC)) throw new NotAnRpm(`it has no ${what}`);
  const entries = intro.readUInt32BE(8);
  const sizeBytes = INTRO_BYTES + entries * ENTRY_BYTES + intro.readUInt32BE(12);
  if (entries > ENTRIES_MAX || sizeBytes > bytesMax) {
    throw new NotAnRpm(`its ${what} claims ${sizeBytes} bytes; ${bytesMax} are allowed`);
  }
  return await readExactly(source, at, sizeBytes, what);
}

async function readExactly(
  { file, start }: Source,
  at: number,
  sizeBytes: number,
  what: string,
): Promise<Buffer> {
  if (at + sizeBytes <= start.length) return start.subarray(at, at + sizeBytes);
  const bytes = Buffer.alloc(sizeBytes);
  const { bytesRead } = await file.read(bytes, 0, sizeBytes, at);
  if (bytesRead < sizeBytes) throw new NotAnRpm(`it ends within its ${what}`);
  return bytes;
}

function readEntries(header: Buffer): HeaderEntry[] {
  const count = header.readUInt32BE(8);
  const data = header.subarray(INTRO_BYTES + count * ENTRY_BYTES);
  const entries: HeaderEntry[] = [];
  for (let i = 0; i < count; i += 1) {
    const at = INTRO_BYTES + i * ENTRY_BYTES;
    const tag = header.readUInt32BE(at);
    if (tag === REGION_TAG) continue;
    entries.push(readEntry(header, at, data));
  }
  return entries;
}

function readEntry(header: Buffer, at: number, data: Buffer): HeaderEntry {
  const tag = header.readUInt32BE(at);
  const type = header.readUInt32BE(at + 4);
  const start = header.readUInt32BE(at + 8);
  const count = header.readUInt32BE(at + 12);
  const end = endOfData(data, type, start, count);
  if (end > data.length) throw new NotAnRpm("an entry of its signature header is cut off");
  return { tag, type, count, data: data.subarray(start, end) };
}

function endOfData(data: Buffer, type: number, start: number, count: number): number {
  if (type === STRING || STRING_LISTS.includes(type)) {
    let at = start;
    for (let i = 0; i < (type === STRING ? 1 : count); i += 1) {
      const nul = data.indexOf(0, at);
      if (nul < 0) throw new NotAnRpm("a text of its signature header has no end");
      at = nul + 1;
    }
    return at;
  }
  const size = TYPE_BYTES[type];
  if (size === undefined) throw new NotAnRpm(`its signature header has an entry of type ${type}`);
  return start + size * count;
}

function encodeEntries(entries: readonly HeaderEntry[]): Buffer {
  const index: Buffer[] = [];
  const data: Buffer[] = [];
  let dataBytes = 0;
  for (const entry of entries) {
    const alignment = TYPE_BYTES[entry.type] ?? 1;
    const gap = (alignment - (dataBytes % alignment)) % alignment;
    data.push(Buffer.alloc(gap), entry.data);
    index.push(indexEntry(entry.tag, entry.type, dataBytes + gap, entry.count));
    dataBytes += gap + entry.data.length;
  }
  const count = entries.length + 1;
  const region = indexEntry(REGION_TAG, BINARY, dataBytes, ENTRY_BYTES);
  const trailer = indexEntry(REGION_TAG, BINARY, -count * ENTRY_BYTES, ENTRY_BYTES);
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE(count, 0);
  sizes.writeUInt32BE(dataBytes + ENTRY_BYTES, 4);
  return Buffer.concat([HEADER_MAGIC, sizes, region, ...index, ...data, trailer]);
}

function indexEntry(tag: number, type: number, offset: number, count: number): Buffer {
  const bytes = Buffer.alloc(ENTRY_BYTES);
  bytes.writeUInt32BE(tag, 0);
  bytes.writeUInt32BE(type, 4);
  bytes.writeInt32BE(offset, 8);
  bytes.writeUInt32BE(count, 12);
  return bytes;
}

/** A signature header is padded to eight bytes. */
function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8;
}
