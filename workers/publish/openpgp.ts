import { createHash, createPrivateKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { promisify } from "node:util";

/** The part of OpenPGP (RFC 9580, version 4 packets) that signing needs: RSA keys and detached signatures. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  /** 40 hexadecimal digits, upper case as gpg prints them. */
  readonly fingerprint: string;
  /** Epoch ms. */
  readonly createdAt: number;
}

const SECRET_KEY = 5;
const VERSION = 4;
const RSA = 1;
const SHA512 = 10;
const BINARY_DOCUMENT = 0;
const SUBPACKET = { createdAt: 2, issuer: 16, issuerFingerprint: 33 } as const;
const signAsync = promisify<string, Buffer, KeyObject, Buffer>(sign);

/** Reads the primary key of `gpg --export-secret-keys`. Throws if it is protected or not RSA. */
export function readSecretKey(bytes: Buffer): SigningKey {
  const packet = readPacket(bytes);
  if (packet.tag !== SECRET_KEY) throw new Error(`Packet ${packet.tag} is no secret key.`);
  const { body } = packet;
  if (body[0] !== VERSION) throw new Error(`A key of version ${body[0]} cannot be used here.`);
  if (body[5] !== RSA) throw new Error(`A key of algorithm ${body[5]} cannot be used; RSA can.`);

  const modulus = readInteger(body, 6);
  const exponent = readInteger(body, modulus.end);
  if (body[exponent.end] !== 0) throw new Error("The key has a passphrase.");
  const d = readInteger(body, exponent.end + 1);
  const p = readInteger(body, d.end);
  const q = readInteger(body, p.end);
  const u = readInteger(body, q.end);

  // OpenPGP's u is the inverse of p, JWK's `qi` the inverse of q: so the two primes change places.
  const privateKey = createPrivateKey({
    format: "jwk",
    key: {
      kty: "RSA",
      n: modulus.bytes.toString("base64url"),
      e: exponent.bytes.toString("base64url"),
      d: d.bytes.toString("base64url"),
      p: q.bytes.toString("base64url"),
      q: p.bytes.toString("base64url"),
      dp: remainder(d.bytes, q.bytes),
      dq: remainder(d.bytes, p.bytes),
      qi: u.bytes.toString("base64url"),
    },
  });
  const fingerprint = fingerprintOf(body.subarray(0, exponent.end));
  return { privateKey, fingerprint, createdAt: body.readUInt32BE(1) * 1_000 };
}

/**
 * A detached signature over `document`, as a binary packet. Readers refuse one that is older than its
 * key, which is what a clock that was set back since then would make.
 */
export async function signDetached(
  document: Buffer,
  key: SigningKey,
  atMs: number,
): Promise<Buffer> {
  const fingerprint = Buffer.from(key.fingerprint, "hex");
  const createdAt = Math.floor(Math.max(atMs, key.createdAt) / 1_000);
  const hashed = Buffer.concat([
    subpacket(SUBPACKET.issuerFingerprint, Buffer.concat([Buffer.of(VERSION), fingerprint])),
    subpacket(SUBPACKET.createdAt, uint32(createdAt)),
  ]);
  const unhashed = subpacket(SUBPACKET.issuer, fingerprint.subarray(-8));
  const head = Buffer.concat([
    Buffer.of(VERSION, BINARY_DOCUMENT, RSA, SHA512),
    uint16(hashed.length),
    hashed,
  ]);

  const signed = Buffer.concat([document, head, Buffer.of(VERSION, 0xff), uint32(head.length)]);
  const digest = createHash("sha512").update(signed).digest();
  const signature = await signAsync("sha512", signed, key.privateKey);
  const body = Buffer.concat([
    head,
    uint16(unhashed.length),
    unhashed,
    digest.subarray(0, 2),
    integer(signature),
  ]);
  // The old packet form with a two-byte length: the one that every rpm can read.
  return Buffer.concat([Buffer.of(0x89), uint16(body.length), body]);
}

/** The text form of a signature, for `.asc` files. */
export function armour(packet: Buffer): string {
  const lines = packet.toString("base64").match(/.{1,64}/g) ?? [];
  const sum = crc24(packet).toString("base64");
  return [
    "-----BEGIN PGP SIGNATURE-----",
    "",
    ...lines,
    `=${sum}`,
    "-----END PGP SIGNATURE-----",
    "",
  ].join("\n");
}

/** The packets inside an armoured text. */
export function dearmour(text: string): Buffer {
  const lines = text.split(/\r?\n/);
  const begin = lines.findIndex((line) => line.startsWith("-----BEGIN PGP "));
  const end = lines.findIndex((line) => line.startsWith("-----END PGP "));
  if (begin < 0 || end < begin) throw new Error("This is no armoured OpenPGP text.");
  const inside = lines.slice(begin + 1, end);
  // Headers end at an empty line; the line with `=` in front is a checksum.
  const body = inside.slice(inside.indexOf("") + 1).filter((line) => !line.startsWith("="));
  return Buffer.from(body.join(""), "base64");
}

function readPacket(bytes: Buffer): { readonly tag: number; readonly body: Buffer } {
  const first = bytes.readUInt8(0);
  const isNew = (first & 0x40) !== 0;
  const tag = isNew ? first & 0x3f : (first >> 2) & 0x0f;
  const [start, length] = isNew ? newLength(bytes) : oldLength(bytes, first & 3);
  if (start + length > bytes.length) throw new Error("An OpenPGP packet is cut off.");
  return { tag, body: bytes.subarray(start, start + length) };
}

function oldLength(bytes: Buffer, kind: number): readonly [number, number] {
  if (kind === 0) return [2, bytes.readUInt8(1)];
  if (kind === 1) return [3, bytes.readUInt16BE(1)];
  if (kind === 2) return [5, bytes.readUInt32BE(1)];
  throw new Error("An OpenPGP packet without a length cannot be used.");
}

function newLength(bytes: Buffer): readonly [number, number] {
  const first = bytes.readUInt8(1);
  if (first < 192) return [2, first];
  if (first < 224) return [3, (first - 192) * 256 + bytes.readUInt8(2) + 192];
  if (first === 255) return [6, bytes.readUInt32BE(2)];
  throw new Error("An OpenPGP packet in parts cannot be used.");
}

function readInteger(bytes: Buffer, at: number): { readonly bytes: Buffer; readonly end: number } {
  const end = at + 2 + Math.ceil(bytes.readUInt16BE(at) / 8);
  if (end > bytes.length) throw new Error("An OpenPGP number is cut off.");
  return { bytes: bytes.subarray(at + 2, end), end };
}

/** An OpenPGP number: its length in bits, then its bytes without leading zeros. */
function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const trimmed = bytes.subarray(Math.max(first, 0));
  const bits = trimmed.length * 8 - Math.clz32(trimmed[0] ?? 0) + 24;
  return Buffer.concat([uint16(bits), trimmed]);
}

function remainder(value: Buffer, prime: Buffer): string {
  const rest = BigInt(`0x${value.toString("hex")}`) % (BigInt(`0x${prime.toString("hex")}`) - 1n);
  const hex = rest.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
}

function fingerprintOf(publicBody: Buffer): string {
  const hash = createHash("sha1").update(Buffer.of(0x99)).update(uint16(publicBody.length));
  return hash.update(publicBody).digest("hex").toUpperCase();
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(body.length + 1, type), body]);
}

function crc24(bytes: Buffer): Buffer {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) crc ^= 0x1864cfb;
    }
  }
  return uint32(crc & 0xffffff).subarray(1);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
