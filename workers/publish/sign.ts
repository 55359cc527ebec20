import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { KeySource } from "./key-source.ts";
import type { KeyOptions } from "./key-source.ts";
import { armour, signDetached } from "./openpgp.ts";
import type { SigningKey } from "./openpgp.ts";
import { headerStart, readRpmHead, signedStart } from "./rpm-file.ts";
import type { Verifier } from "./verify-signatures.ts";

/** The only holder of the signing keys. Nothing it makes is announced before `verify` has seen it. */
export interface Signer {
  /** Of the key that signs now. */
  readonly fingerprint: string;
  /** Writes the signed form of an unsigned RPM to a new file. */
  signPackage(from: string, to: string, signal: AbortSignal): Promise<SignedFile>;
  /** Text of the detached signature. */
  signMetadata(document: Buffer): Promise<string>;
  readonly verify: Pick<Verifier, "packages" | "detached">;
  /** Ends the programs that wait to verify. */
  close(): Promise<void>;
}

export interface SignedFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

const CHUNK_BYTES = 2 ** 20;
/** Hashing more at once would hold up everything else for over a millisecond. */
const WHOLE_BYTES_MAX = 2 ** 20;

/**
 * Opens the keys. gpg keeps them and checks what we make, but does not make it: a spawn of gpg is
 * 30 ms per signature, one after the other, and this process takes 3 ms for each, four at a time.
 */
export async function openSigner(options: KeyOptions, signal: AbortSignal): Promise<Signer> {
  const { now } = options;
  const keys = await KeySource.open(options, signal);
  return {
    get fingerprint() {
      return keys.fingerprint();
    },
    verify: {
      packages: async (paths, abort) => (await keys.verifier()).packages(paths, abort),
      detached: async (document, signature, abort) =>
        (await keys.verifier()).detached(document, signature, abort),
    },
    signPackage: async (from, to, abort) =>
      signPackage({ from, to, key: await keys.signing(), now }, abort),
    signMetadata: async (document) =>
      armour(await signDetached(document, await keys.signing(), now())),
    close: () => keys.close(),
  };
}

/** The new start, then the old rest: a small file in one piece, a large one in one pass. */
async function signPackage(
  { from, to, key, now }: { from: string; to: string; key: SigningKey; now: () => number },
  signal: AbortSignal,
): Promise<SignedFile> {
  const head = await readRpmHead(from);
  const start = signedStart(head, await signDetached(head.header, key, now()));
  const { size } = await stat(from);
  if (size <= WHOLE_BYTES_MAX) {
    const rest = (await readFile(from)).subarray(headerStart(head));
    const bytes = Buffer.concat([start, rest]);
    await writeFile(to, bytes, { flag: "wx", mode: 0o644, signal });
    return { sha256: createHash("sha256").update(bytes).digest("hex"), sizeBytes: bytes.length };
  }
  return await signStreaming({ from, to, start, restFrom: headerStart(head) }, signal);
}

async function signStreaming(
  { from, to, start, restFrom }: { from: string; to: string; start: Buffer; restFrom: number },
  signal: AbortSignal,
): Promise<SignedFile> {
  const hash = createHash("sha256").update(start);
  let sizeBytes = start.length;
  await writeFile(to, start, { flag: "wx", mode: 0o644 });
  const rest = createReadStream(from, { start: restFrom, highWaterMark: CHUNK_BYTES });
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
