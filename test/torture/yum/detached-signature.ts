import { createHash, createPublicKey, verify } from "node:crypto";

/**
 * Does an armoured detached OpenPGP v4 signature by one of these RSA keys hold? Shares no code with
 * the signer; written from RFC 4880, since a process for each of a hundred checkers is too much.
 */
export function holds(document: Buffer, signature: string, keys: string): boolean {
  const packet = packetsOf(dearmour(signature)).find(({ tag }) => tag === SIGNATURE);
  if (packet === undefined) return false;
  const { hash, hashed, value } = readSignature(packet.body);
  return packetsOf(dearmour(keys))
    .filter(({ tag }) => tag === PUBLIC_KEY)
    .some(({ body }) => {
      const { key, bytes } = rsaKey(body);
      // An OpenPGP number has no zeros in front, and one signature in 256 begins with some.
      const padded = Buffer.concat([Buffer.alloc(Math.max(0, bytes - value.length)), value]);
      return verify(hash, Buffer.concat([document, hashed]), key, padded);
    });
}

const SIGNATURE = 2;
const PUBLIC_KEY = 6;
const HASHES: Readonly<Record<number, string>> = { 8: "sha256", 9: "sha384", 10: "sha512" };

interface Packet {
  readonly tag: number;
  readonly body: Buffer;
}

/** The packets in armoured texts. */
export function dearmour(text: string): Buffer {
  const blocks = text.matchAll(
    /-----BEGIN [^-]+-----\n(?:\S+: .*\n)*\n([\s\S]*?)\n=.{4}\n-----END/g,
  );
  return Buffer.concat([...blocks].map((block) => Buffer.from(block[1] ?? "", "base64")));
}

function packetsOf(bytes: Buffer): readonly Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes.readUInt8(at);
    const isNew = (first & 0x40) !== 0;
    const tag = isNew ? first & 0x3f : (first >> 2) & 0x0f;
    const { start, length } = isNew
      ? newLength(bytes, at + 1)
      : oldLength(bytes, at + 1, first & 3);
    packets.push({ tag, body: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return packets;
}

function oldLength(bytes: Buffer, at: number, type: number) {
  if (type === 0) return { start: at + 1, length: bytes.readUInt8(at) };
  if (type === 1) return { start: at + 2, length: bytes.readUInt16BE(at) };
  return { start: at + 4, length: bytes.readUInt32BE(at) };
}

function newLength(bytes: Buffer, at: number) {
  const first = bytes.readUInt8(at);
  if (first < 192) return { start: at + 1, length: first };
  if (first < 224) {
    return { start: at + 2, length: ((first - 192) << 8) + bytes.readUInt8(at + 1) + 192 };
  }
  return { start: at + 5, length: bytes.readUInt32BE(at + 1) };
}

function readSignature(body: Buffer) {
  const hash = HASHES[body.readUInt8(3)];
  if (body.readUInt8(0) !== 4 || hash === undefined) throw new Error("An unknown signature.");
  const hashedEnd = 6 + body.readUInt16BE(4);
  const trailer = Buffer.from([4, 0xff, 0, 0, 0, 0]);
  trailer.writeUInt32BE(hashedEnd, 2);
  const unhashedEnd = hashedEnd + 2 + body.readUInt16BE(hashedEnd);
  const value = mpi(body, unhashedEnd + 2).bytes;
  return { hash, hashed: Buffer.concat([body.subarray(0, hashedEnd), trailer]), value };
}

function rsaKey(body: Buffer) {
  const n = mpi(body, 6);
  const e = mpi(body, n.end);
  const jwk = { kty: "RSA", n: n.bytes.toString("base64url"), e: e.bytes.toString("base64url") };
  return { key: createPublicKey({ key: jwk, format: "jwk" }), bytes: n.bytes.length };
}

function mpi(body: Buffer, at: number) {
  const end = at + 2 + Math.ceil(body.readUInt16BE(at) / 8);
  return { bytes: body.subarray(at + 2, end), end };
}

/** For names of things in a report. */
export function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
