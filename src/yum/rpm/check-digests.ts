import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Header } from "./header.ts";
import { SIGNATURE_TAG, TAG, TYPE } from "./header-tags.ts";
import { bytesOf, numberOf, textOf, textsOf } from "./header-values.ts";
import { readHead } from "./rpm-head.ts";
import type { RpmHead } from "./rpm-head.ts";
import { RpmRefused } from "./rpm-refused.ts";

const CHUNK_BYTES = 2 ** 20;

/**
 * Checks every digest that the RPM has, as `rpmkeys --checksig --nosignature` does (rpm 4.18,
 * lib/rpmvs.c), and its length. There must be one over the header and one over the payload. Throws
 * `RpmRefused`; resolves if the file is as rpmbuild left it, signed or not.
 */
export async function checkDigests(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    const head = await readHead(file);
    const promised = promisedDigests(head);
    if (promised.header.length === 0 && promised.md5 === undefined) throw missing("header");
    for (const { algorithm, digest } of promised.header) {
      compare(createHash(algorithm).update(head.mainBytes).digest("hex"), digest, "header");
    }
    await checkLength(file, head);
    await checkPayload(file, head, promised);
  } finally {
    await file.close();
  }
}

interface PromisedDigests {
  readonly header: readonly { readonly algorithm: "sha1" | "sha256"; readonly digest: string }[];
  /** SHA-256 of the compressed payload. */
  readonly payload: string | undefined;
  /** Of header and payload. */
  readonly md5: string | undefined;
}

function promisedDigests({ signature, main }: RpmHead): PromisedDigests {
  const { sha1OfHeader, sha256OfHeader, md5OfAll } = SIGNATURE_TAG;
  const sha1 = digestText(signature, sha1OfHeader, 40);
  const sha256 = digestText(signature, sha256OfHeader, 64);
  const md5 = bytesOf(signature, md5OfAll);
  if (md5 !== undefined && md5.length !== 16) throw badDigest(md5OfAll);
  return {
    header: [
      ...(sha256 === undefined ? [] : [{ algorithm: "sha256", digest: sha256 } as const]),
      ...(sha1 === undefined ? [] : [{ algorithm: "sha1", digest: sha1 } as const]),
    ],
    payload: payloadDigest(main, TAG.payloadDigest) ?? payloadDigest(main, TAG.payloadDigestAlt),
    md5: md5?.toString("hex"),
  };
}

/** rpm takes either digest for one of the payload as it is in the file. */
function payloadDigest(main: Header, tag: number): string | undefined {
  const entry = main.entries.get(tag);
  if (entry === undefined) return undefined;
  if (entry.type !== TYPE.stringArray || entry.count !== 1) throw badDigest(tag);
  return textsOf(main, tag)[0];
}

function digestText(signature: Header, tag: number, digits: number): string | undefined {
  const entry = signature.entries.get(tag);
  if (entry === undefined) return undefined;
  const text = textOf(signature, tag);
  if (entry.type !== TYPE.string || text.length !== digits) throw badDigest(tag);
  return text;
}

/** Where the signature header says how long header and payload are, the file ends there. */
async function checkLength(file: FileHandle, { signature, headerStart }: RpmHead): Promise<void> {
  const { size } = await file.stat();
  const { size: shortSize, longSize } = SIGNATURE_TAG;
  const promised = numberOf(signature, shortSize) ?? numberOf(signature, longSize);
  if (promised === undefined || promised === size - headerStart) return;
  throw new RpmRefused(
    promised > size - headerStart ? "TRUNCATED" : "DIGEST_MISMATCH",
    `The RPM says that ${promised} bytes follow its signatures, but ${size - headerStart} do.`,
  );
}

async function checkPayload(
  file: FileHandle,
  { mainBytes, headerEnd }: RpmHead,
  { payload, md5 }: PromisedDigests,
): Promise<void> {
  if (payload === undefined && md5 === undefined) throw missing("payload");
  const ofPayload = payload === undefined ? undefined : createHash("sha256");
  const ofAll = md5 === undefined ? undefined : createHash("md5").update(mainBytes);
  await hashFrom(
    file,
    headerEnd,
    [ofPayload, ofAll].filter((hash) => hash !== undefined),
  );
  if (ofPayload !== undefined) compare(ofPayload.digest("hex"), payload, "payload");
  if (ofAll !== undefined) compare(ofAll.digest("hex"), md5, "header and payload");
}

async function hashFrom(file: FileHandle, start: number, hashes: readonly Hash[]): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = start; ;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    for (const hash of hashes) hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
}

function compare(actual: string, promised: string | undefined, what: string): void {
  if (actual === promised?.toLowerCase()) return;
  throw new RpmRefused(
    "DIGEST_MISMATCH",
    `The digest of the RPM's ${what} is ${actual}, but it says ${promised}: it was damaged or changed.`,
  );
}

function missing(what: string): RpmRefused {
  return new RpmRefused("DIGEST_MISMATCH", `The RPM has no digest of its ${what}.`);
}

function badDigest(tag: number): RpmRefused {
  return new RpmRefused("MALFORMED", `The RPM has a digest (tag ${tag}) of the wrong form.`);
}
