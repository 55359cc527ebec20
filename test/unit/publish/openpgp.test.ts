import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { expect, test } from "vitest";
import { armour, dearmour, readSecretKey, signDetached } from "../../../workers/publish/openpgp.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** The secret key packet that gpg exports: public numbers, then the secret ones unprotected. */
function secretKeyPacket(key: KeyObject, usage = 0): Buffer {
  const jwk = key.export({ format: "jwk" });
  const of = (name: "n" | "e" | "d" | "p" | "q" | "qi") =>
    number(Buffer.from(jwk[name] ?? "", "base64url"));
  const head = Buffer.from([4, 0x65, 0, 0, 0, 1]);
  // JWK's qi is the inverse of q; OpenPGP's u that of p: the primes change places.
  const secret = [of("d"), of("q"), of("p"), of("qi"), Buffer.alloc(2)];
  const body = Buffer.concat([head, of("n"), of("e"), Buffer.of(usage), ...secret]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([Buffer.of(0x95), length, body]);
}

function number(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const trimmed = bytes.subarray(first);
  const bits = Buffer.alloc(2);
  bits.writeUInt16BE(trimmed.length * 8 - Math.clz32(trimmed[0] ?? 0) + 24);
  return Buffer.concat([bits, trimmed]);
}

test("a key that gpg exported signs what its public half verifies", async () => {
  const key = readSecretKey(secretKeyPacket(privateKey));
  const document = Buffer.from("a document");

  const packet = await signDetached(document, key, 1_700_000_000_000);

  const hashedBytes = packet.readUInt16BE(7);
  const hashed = packet.subarray(3, 9 + hashedBytes);
  const trailer = Buffer.alloc(6);
  trailer.writeUInt16BE(0x04ff);
  trailer.writeUInt32BE(hashed.length, 2);
  const numberAt = 13 + hashedBytes + packet.readUInt16BE(9 + hashedBytes);
  // Its leading zero bytes are not written: of every 256th signature there is one.
  const written = packet.subarray(numberAt + 2);
  const signature = Buffer.concat([Buffer.alloc(256 - written.length), written]);
  const signed = Buffer.concat([document, hashed, trailer]);
  expect(verify("sha512", signed, createPublicKey(privateKey), signature)).toBe(true);
  expect(packet.includes(Buffer.from(key.fingerprint, "hex"))).toBe(true);
});

test("nothing is signed before its key was made, which every reader refuses", async () => {
  const key = readSecretKey(secretKeyPacket(privateKey));
  const madeAt = 0x65_00_00_00 * 1_000;

  expect(createdAt(await signDetached(Buffer.from("x"), key, madeAt - 3_600_000))).toBe(madeAt);
  expect(createdAt(await signDetached(Buffer.from("x"), key, madeAt + 7_000))).toBe(madeAt + 7_000);
});

/** The second of the signed facts; the first is the fingerprint. */
function createdAt(packet: Buffer): number {
  const fingerprintBytes = packet.readUInt8(9);
  return packet.readUInt32BE(9 + 1 + fingerprintBytes + 2) * 1_000;
}

test("a key with a passphrase is refused", () => {
  const packet = secretKeyPacket(privateKey, 254);

  expect(() => readSecretKey(packet)).toThrow("passphrase");
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["half a key", secretKeyPacket(privateKey).subarray(0, 300)],
  ["something else", Buffer.from("-----BEGIN PGP", "utf8")],
])("%s is no key", (_, bytes) => {
  expect(() => readSecretKey(bytes)).toThrow();
});

test("armour has lines of 64, a checksum, and gives back what went in", () => {
  const packet = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255));

  const text = armour(packet);

  expect(text).toMatch(/^-----BEGIN PGP SIGNATURE-----\n\n(?:.{1,64}\n)+=.{4}\n-----END PGP/);
  expect(dearmour(text).equals(packet)).toBe(true);
  // The example of RFC 4880 for an empty input is its initial value.
  expect(armour(Buffer.alloc(0))).toContain("\n=twTO\n");
});

test("dearmour passes over headers, and refuses what is no armour", () => {
  const text =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nComment: x\r\n\r\naGVsbG8=\r\n=abcd\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n";

  expect(dearmour(text).toString()).toBe("hello");
  expect(() => dearmour("hello")).toThrow("armoured");
});
