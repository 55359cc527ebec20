import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
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
  /**
   * Writes the signed form of an unsigned RPM to a new file. `source` hears all that was read of
   * `from`: it tells whether somebody else has changed that meanwhile.
   */
  signPackage(from: string, to: string, signal: AbortSignal, source?: Hash): Promise<SignedFile>;
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
    signPackage: async (from, to, abort, source) =>
      signPackage({ from, to, key: await keys.signing(), now, source }, abort),
    signMetadata: async (document) =>
      armour(await signDetached(document, await keys.signing(), now())),
    close: () => keys.close(),
  };
}

interface Signing {
  readonly from: string;
  readonly to: string;
  readonly key: SigningKey;
  readonly now: () => number;
  readonly source: Hash | undefined;
}

/** The new start, then the old rest: a small file in one piece, a large one in one pass. */
async function signPackage(
  { from, to, key, now, source }: Signing,
  signal: AbortSignal,
): Promise<SignedFile> {
  const head = await readRpmHead(from);
  const start = signedStart(head, await signDetached(head.header, key, now()));
  const { size } = await stat(from);
  if (size <= WHOLE_BYTES_MAX) {
    const whole = await readFile(from);
    source?.update(whole);
    const bytes = Buffer.concat([start, whole.subarray(headerStart(head))]);
    await writeFile(to, bytes, { flag: "wx", mode: 0o644, signal });
    return { sha256: createHash("sha256").update(bytes).digest("hex"), sizeBytes: bytes.length };
  }
  return await signStreaming({ from, to, start, source, restFrom: headerStart(head) }, signal);
}

async function signStreaming(
  {
    from,
    to,
    source,
    start,
    restFrom,
  }: Pick<Signing, "from" | "to" | "source"> & {
    readonly start: Buffer;
    readonly restFrom: number;
  },
  signal: AbortSignal,
): Promise<SignedFile> {
  const hash = createHash("sha256").update(start);
  let sizeBytes = start.length;
  await writeFile(to, start, { flag: "wx", mode: 0o644 });
  const whole = createReadStream(from, { highWaterMark: CHUNK_BYTES });
  let toSkip = restFrom;
  const measure = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      source?.update(chunk);
      const rest = chunk.subarray(toSkip);
      toSkip = Math.max(0, toSkip - chunk.length);
      hash.update(rest);
      sizeBytes += rest.length;
      yield rest;
    }
  };
  await pipeline(whole, measure, createWriteStream(to, { flags: "a" }), { signal });
  return { sha256: hash.digest("hex"), sizeBytes };
}
