import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { InfraFault } from "../../src/domain/faults.ts";
import { makeFolder, syncPath, writeSynced } from "./durable.ts";
import { readOrMakeKey } from "./gnupg.ts";
import { armour, readSecretKey, signDetached } from "./openpgp.ts";
import type { SigningKey } from "./openpgp.ts";
import { headerStart, readRpmHead, signedStart } from "./rpm-file.ts";
import { openVerifier } from "./verify-signatures.ts";
import type { Verifier } from "./verify-signatures.ts";

/** The only holder of the signing key. Nothing it makes is announced before `verify` has seen it. */
export interface Signer {
  readonly fingerprint: string;
  /** Writes the signed form of an unsigned RPM to a new file. */
  signPackage(from: string, to: string, signal: AbortSignal): Promise<SignedFile>;
  /** Text of the detached signature. */
  signMetadata(document: Buffer): Promise<string>;
  readonly verify: Verifier;
}

export interface SignedFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface SignerOptions {
  /** The key's GnuPG home, readable by nobody else. */
  readonly keysDir: string;
  /** Where clients and the server find the public key and its fingerprint. */
  readonly publicDir: string;
  /** Made for the verifier's keyring. */
  readonly verifierDir: string;
  readonly now: () => number;
}

const CHUNK_BYTES = 2 ** 20;

/**
 * Opens the key. gpg keeps it and checks what we make, but does not make it: a spawn of gpg is 30 ms
 * per signature, one after the other, and this process takes 3 ms for each, four at a time.
 */
export async function openSigner(options: SignerOptions, signal: AbortSignal): Promise<Signer> {
  const exported = await readOrMakeKey(options.keysDir, signal);
  const key = readKey(exported.secretKey);
  if (key.fingerprint !== exported.fingerprint) {
    throw new InfraFault("SIGNING_FAILED", "gpg gave another key than the one it named.");
  }
  await publishKey(options.publicDir, exported.publicKey, key.fingerprint);
  const verify = await openVerifier(options.verifierDir, exported.publicKey);
  return {
    fingerprint: key.fingerprint,
    verify,
    signPackage: (from, to, abort) => signPackage({ from, to, key, now: options.now }, abort),
    signMetadata: async (document) => armour(await signDetached(document, key, options.now())),
  };
}

function readKey(secretKey: Buffer): SigningKey {
  try {
    return readSecretKey(secretKey);
  } catch (cause) {
    throw new InfraFault("SIGNING_FAILED", "The signing key cannot be used.", { cause });
  } finally {
    secretKey.fill(0);
  }
}

/** One pass over the file: the new start, then the old rest, hashed on the way. */
async function signPackage(
  { from, to, key, now }: { from: string; to: string; key: SigningKey; now: () => number },
  signal: AbortSignal,
): Promise<SignedFile> {
  const head = await readRpmHead(from);
  const start = signedStart(head, await signDetached(head.header, key, now()));
  const hash = createHash("sha256").update(start);
  let sizeBytes = start.length;

  await writeFile(to, start, { flag: "wx", mode: 0o644 });
  const rest = createReadStream(from, { start: headerStart(head), highWaterMark: CHUNK_BYTES });
  const measure = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  await pipeline(rest, measure, createWriteStream(to, { flags: "a" }), { signal });
  return { sha256: hash.digest("hex"), sizeBytes };
}

/** Puts the public key where clients find it; they never see half of it. */
async function publishKey(folder: string, publicKey: string, fingerprint: string): Promise<void> {
  await makeFolder(folder);
  const files = { "tatara.asc": publicKey, fingerprint: `${fingerprint}\n` };
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    const present = await readFile(path, "utf8").catch(() => undefined);
    if (present === text) continue;
    const staged = `${path}.new`;
    await rm(staged, { force: true });
    await writeSynced(staged, text);
    await rename(staged, path);
  }
  await syncPath(folder);
}
