import type { Header } from "./header.ts";
import { SIGNATURE_TAG } from "./header-tags.ts";
import { bytesOf, textsOf } from "./header-values.ts";
import type { RpmSignature } from "./rpm-package.ts";

const SIGNATURE_PACKET = 2;
/** Subpackets that say who made a signature (RFC 9580, sections 5.2.3.12 and 5.2.3.35). */
const ISSUER_KEY_ID = 16;
const ISSUER_FINGERPRINT = 33;

/** Whatever rpm calls a signature; none of them is verified. */
export function readSignatures(header: Header): readonly RpmSignature[] {
  const { dsaOverHeader, rsaOverHeader, pgpOverAll, gpgOverAll, openPgp } = SIGNATURE_TAG;
  const binary = [dsaOverHeader, rsaOverHeader, pgpOverAll, gpgOverAll].flatMap((tag) => {
    const bytes = bytesOf(header, tag);
    return bytes === undefined ? [] : [{ tag, keyId: keyIdOf(bytes), bytes: Buffer.from(bytes) }];
  });
  const encoded = textsOf(header, openPgp).map((text) => {
    const bytes = Buffer.from(text, "base64");
    return { tag: openPgp, keyId: keyIdOf(bytes), bytes };
  });
  return [...binary, ...encoded];
}

/** Of an OpenPGP signature packet of version 3 or 4. */
function keyIdOf(packet: Buffer): string | undefined {
  const body = bodyOf(packet);
  if (body === undefined) return undefined;
  if (body[0] === 3) return body.length < 15 ? undefined : body.toString("hex", 7, 15);
  if (body[0] !== 4 || body.length < 6) return undefined;
  const hashed = sized(body, 4);
  if (hashed === undefined) return undefined;
  const unhashed = sized(body, 6 + hashed.length);
  return issuerIn(hashed) ?? (unhashed === undefined ? undefined : issuerIn(unhashed));
}

/** In the old format the tag's byte says how long the length is, in the new one the length does. */
function bodyOf(packet: Buffer): Buffer | undefined {
  const first = packet[0] ?? 0;
  const isNew = (first & 0x40) !== 0;
  const tag = isNew ? first & 0x3f : (first >> 2) & 0xf;
  if ((first & 0x80) === 0 || tag !== SIGNATURE_PACKET) return undefined;
  const length = isNew ? newLength(packet, 1) : oldLength(packet, first & 3);
  return length === undefined ? undefined : packet.subarray(length.end, length.end + length.value);
}

function oldLength(packet: Buffer, kind: number): Length | undefined {
  const bytes = [1, 2, 4][kind];
  if (bytes === undefined || packet.length < 1 + bytes) return undefined;
  return { value: packet.readUIntBE(1, bytes), end: 1 + bytes };
}

/** A length and where it ends. */
interface Length {
  readonly value: number;
  readonly end: number;
}

function newLength(bytes: Buffer, at: number): Length | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 192) return { value: first, end: at + 1 };
  if (first < 255) {
    const second = bytes[at + 1];
    if (second === undefined) return undefined;
    return { value: ((first - 192) << 8) + second + 192, end: at + 2 };
  }
  return bytes.length < at + 5 ? undefined : { value: bytes.readUInt32BE(at + 1), end: at + 5 };
}

/** What follows a length of two bytes. */
function sized(body: Buffer, at: number): Buffer | undefined {
  if (body.length < at + 2) return undefined;
  const end = at + 2 + body.readUInt16BE(at);
  return end > body.length ? undefined : body.subarray(at + 2, end);
}

function issuerIn(subpackets: Buffer): string | undefined {
  for (let at = 0; at < subpackets.length;) {
    const length = newLength(subpackets, at);
    if (length === undefined) return undefined;
    const subpacket = subpackets.subarray(length.end, length.end + length.value);
    const type = (subpacket[0] ?? 0) & 0x7f;
    if (type === ISSUER_KEY_ID && subpacket.length === 9) return subpacket.toString("hex", 1);
    if (type === ISSUER_FINGERPRINT && subpacket.length > 9)
      return subpacket.toString("hex").slice(-16);
    at = length.end + length.value;
  }
  return undefined;
}
