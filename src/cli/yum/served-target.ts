import { createHash } from "node:crypto";
import { createGunzip, zstdDecompressSync } from "node:zlib";
import { Readable } from "node:stream";
import { zstdFrameEnds } from "../../yum/base-repositories/zstd-frames.ts";
import { readResource } from "../../yum/base-repositories/read-resource.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { openOutbound } from "../../shared/outbound.ts";

/** One generation of a target, as its `repomd.xml` describes it. */
export interface ServedTarget {
  /** Ends in a slash; what the index names is below it. */
  readonly base: string;
  readonly repomd: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly files: readonly ServedFile[];
}

export interface ServedFile {
  readonly type: string;
  /** `repodata/<sha256>-primary.xml.gz` */
  readonly href: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Null where the index does not say it. */
  readonly openSha256: string | null;
  readonly openSizeBytes: number | null;
}

export interface ServedPackage {
  readonly href: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

const INDEX_BYTES_MAX = 2 ** 20;
const FILE_TIMEOUT_MS = 600_000;

/** Undefined if this generation does not have the target. */
export async function readServedTarget(
  url: string,
  place: { readonly channel: string; readonly number: number; readonly target: string },
  signal: AbortSignal,
): Promise<ServedTarget | undefined> {
  const base = `${url}/yum/${place.channel}/${place.target}/g/${place.number}/`;
  const repomd = await readIndex(`${base}repodata/repomd.xml`, signal);
  if (repomd === undefined) return undefined;
  const signature = await readIndex(`${base}repodata/repomd.xml.asc`, signal);
  if (signature === undefined) throw new Error("It has no signature.");
  return { base, repomd, signature, files: filesIn(new TextDecoder().decode(repomd)) };
}

async function readIndex(
  url: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readServed(url, INDEX_BYTES_MAX, signal);
  } catch (err) {
    signal.throwIfAborted();
    if (err instanceof Error && err.message.endsWith(" answers 404.")) return undefined;
    const why = err instanceof Error ? err.message : String(err);
    throw new CommandError(EXIT.unreachable, `${url} cannot be read: ${why}`);
  }
}

/** A whole file; it may have `bytesMax` bytes at most. */
export async function readServed(
  url: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(FILE_TIMEOUT_MS)]);
  return await readResource(new URL(url), {
    bytesMax,
    signal: limit,
    get: openOutbound({ internalHosts: [] }).get,
  });
}

/** Our own form of `repomd.xml`, as src/yum/repomd.ts writes it. */
function filesIn(xml: string): readonly ServedFile[] {
  return [...xml.matchAll(/<data type="([^"]+)">([^]*?)<\/data>/g)].map(
    ([, type = "", body = ""]) => {
      const find = (pattern: RegExp): string | undefined => pattern.exec(body)?.[1];
      const openSize = find(/<open-size>(\d+)</);
      return {
        type,
        href: find(/<location href="([^"]+)"/) ?? "",
        sha256: find(/<checksum type="sha256">([0-9a-f]{64})</) ?? "",
        sizeBytes: Number(find(/<size>(\d+)</)),
        openSha256: find(/<open-checksum type="sha256">([0-9a-f]{64})</) ?? null,
        openSizeBytes: openSize === undefined ? null : Number(openSize),
      };
    },
  );
}

/** What stands in the way of trusting these bytes; none: they are what the index says. */
export async function problemsOf(
  { sha256, sizeBytes, openSha256, openSizeBytes, href }: ServedFile,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const expect = (what: string, found: unknown, expected: unknown): void => {
    if (found === expected) return;
    problems.push(`${what} is ${String(found)}, and should be ${String(expected)}.`);
  };
  expect("size", bytes.length, sizeBytes);
  expect("sha256", createHash("sha256").update(bytes).digest("hex"), sha256);
  // What is not as it was signed is not unpacked.
  if (problems.length > 0 || openSizeBytes === null) return problems;

  const hash = createHash("sha256");
  let openBytes = 0;
  for await (const part of openParts(bytes, href)) {
    hash.update(part);
    openBytes += part.length;
  }
  expect("open size", openBytes, openSizeBytes);
  if (openSha256 !== null) expect("open sha256", hash.digest("hex"), openSha256);
  return problems;
}

/** Unpacked, in parts: a target's metadata unfold to hundreds of megabytes. */
async function* openParts(bytes: Uint8Array<ArrayBuffer>, href: string): AsyncIterable<Uint8Array> {
  if (href.endsWith(".gz")) {
    yield* Readable.from([bytes]).pipe(createGunzip()) as AsyncIterable<Uint8Array>;
  } else if (href.endsWith(".zst")) {
    let start = 0;
    for (const end of zstdFrameEnds(bytes)) {
      yield zstdDecompressSync(bytes.subarray(start, end));
      start = end;
    }
  } else {
    yield bytes;
  }
}

const PACKAGE_END = "</package>";

/** The packages that `primary` names, in its order. */
export async function* packagesIn(
  primary: Uint8Array<ArrayBuffer>,
  href: string,
): AsyncIterable<ServedPackage> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of openParts(primary, href)) {
    text += decoder.decode(part, { stream: true });
    const packages = text.split(PACKAGE_END);
    text = packages.pop() ?? "";
    for (const each of packages) yield packageOf(each);
  }
}

function packageOf(xml: string): ServedPackage {
  return {
    href: /<location href="([^"]+)"/.exec(xml)?.[1] ?? "",
    sha256: /<checksum type="sha256" pkgid="YES">([0-9a-f]{64})</.exec(xml)?.[1] ?? "",
    sizeBytes: Number(/<size package="(\d+)"/.exec(xml)?.[1]),
  };
}
