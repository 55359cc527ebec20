import type { FileHandle } from "node:fs/promises";
import { headerBytes, INTRO_BYTES, parseHeader } from "./header.ts";
import type { Header } from "./header.ts";
import { RpmRefused } from "./rpm-refused.ts";

/** What comes before the payload: lead, signature header, padding, main header. */
export interface RpmHead {
  readonly signature: Header;
  readonly main: Header;
  /** The main header as digests and signatures cover it, intro included. */
  readonly mainBytes: Buffer;
  /** Byte range of the main header in the file. */
  readonly headerStart: number;
  readonly headerEnd: number;
}

const LEAD_BYTES = 96;
const LEAD_MAGIC = Buffer.from("edabeedb", "hex");
const SIGNATURE_TYPE_AT = 78;
const HEADER_SIGNATURE = 5;
/** Most heads fit, so that one read is enough. */
const FIRST_READ_BYTES = 65_536;

export async function readHead(file: FileHandle): Promise<RpmHead> {
  const { size } = await file.stat();
  let head = await readOn(file, Buffer.alloc(0), Math.min(size, FIRST_READ_BYTES));
  const need = async (bytes: number, part: string): Promise<void> => {
    if (bytes > size) throw truncated(part);
    if (bytes > head.length) head = await readOn(file, head, bytes);
  };
  await need(endOfSignatureIntro(head), "signature header");
  const start = startOfMain(head);
  await need(start + INTRO_BYTES, "header");
  await need(endOfMain(head, start), "header");
  return parseHead(head);
}

/** From bytes that begin with the lead; of the payload nothing needs to be there. */
export function parseHead(bytes: Buffer): RpmHead {
  if (bytes.length < endOfSignatureIntro(bytes)) throw truncated("signature header");
  const headerStart = startOfMain(bytes);
  if (bytes.length < headerStart + INTRO_BYTES) throw truncated("header");
  const headerEnd = endOfMain(bytes, headerStart);
  if (bytes.length < headerEnd) throw truncated("header");
  const intro = bytes.subarray(LEAD_BYTES, LEAD_BYTES + INTRO_BYTES);
  const signatureEnd = LEAD_BYTES + headerBytes(intro, "signature");
  const mainBytes = bytes.subarray(headerStart, headerEnd);
  return {
    signature: parseHeader(bytes.subarray(LEAD_BYTES, signatureEnd), "signature"),
    main: parseHeader(mainBytes, "main"),
    mainBytes,
    headerStart,
    headerEnd,
  };
}

/** Throws if the bytes do not begin as an RPM's do. */
function endOfSignatureIntro(bytes: Buffer): number {
  if (!bytes.subarray(0, LEAD_MAGIC.length).equals(LEAD_MAGIC)) {
    throw new RpmRefused("NOT_RPM", "The file is not an RPM.");
  }
  if (bytes.length < LEAD_BYTES) throw truncated("lead");
  const major = bytes.readUInt8(4);
  if (major < 3 || major > 4 || bytes.readUInt16BE(SIGNATURE_TYPE_AT) !== HEADER_SIGNATURE) {
    throw new RpmRefused("UNSUPPORTED", `The RPM's format (version ${major}) is not supported.`);
  }
  return LEAD_BYTES + INTRO_BYTES;
}

/** The signature header is padded to eight bytes. */
function startOfMain(bytes: Buffer): number {
  const intro = bytes.subarray(LEAD_BYTES, LEAD_BYTES + INTRO_BYTES);
  return LEAD_BYTES + Math.ceil(headerBytes(intro, "signature") / 8) * 8;
}

function endOfMain(bytes: Buffer, start: number): number {
  return start + headerBytes(bytes.subarray(start, start + INTRO_BYTES), "main");
}

/** The same bytes and those that follow, up to `endBytes` in all. */
async function readOn(file: FileHandle, read: Buffer, endBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(endBytes);
  read.copy(bytes);
  for (let at = read.length; at < endBytes;) {
    const { bytesRead } = await file.read(bytes, at, endBytes - at, at);
    if (bytesRead === 0) throw truncated("header");
    at += bytesRead;
  }
  return bytes;
}

function truncated(part: string): RpmRefused {
  return new RpmRefused(
    "TRUNCATED",
    `The RPM ends within its ${part}: it was not copied completely.`,
  );
}
