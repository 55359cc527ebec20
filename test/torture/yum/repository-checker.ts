import { gunzipSync } from "node:zlib";
import { digestOf, holds } from "./detached-signature.ts";

/** One look at a served target, as a client takes it. */
export interface Look {
  readonly revision: number;
  readonly packages: readonly string[];
  /** Empty: everything fits together. */
  readonly problems: readonly string[];
}

export interface LookOptions {
  readonly url: string;
  readonly channel: string;
  readonly target: string;
  readonly keys: string;
  /** Fetches this many of the listed packages, the newest, and compares their bytes. */
  readonly download: number;
}

const FETCH_MS = 30_000;

/**
 * Mirrorlist, index, signature, the three documents and some packages: all of one generation, all
 * with the digests and counts that were signed.
 */
export async function lookAt(options: LookOptions): Promise<Look> {
  const { url, channel, target, keys, download } = options;
  const problems: string[] = [];
  const mirror = await get(`${url}/yum/${channel}/${target}/mirrorlist`);
  const base = mirror.toString().trim();
  const repomd = await get(`${base}repodata/repomd.xml`);
  const signature = await get(`${base}repodata/repomd.xml.asc`);
  if (!holds(repomd, signature.toString(), keys)) problems.push(`${base}: the signature is wrong`);
  const index = repomd.toString();
  const revision = Number(/<revision>(\d+)</.exec(index)?.[1]);

  const documents = new Map<string, string>();
  for (const [, type = "", data = ""] of index.matchAll(/<data type="(\w+)">([\s\S]*?)<\/data>/g)) {
    const xml = await readDocument({ base, type, data }, problems);
    documents.set(type, xml);
  }
  const packages = listedIn(documents, problems, base);
  for (const { href, sha256 } of packages.slice(-download)) {
    const bytes = await get(`${base}${href}`);
    if (digestOf(bytes) !== sha256) problems.push(`${base}${href}: other bytes`);
  }
  return { revision, packages: packages.map(({ href }) => href), problems };
}

async function readDocument(
  { base, type, data }: { base: string; type: string; data: string },
  problems: string[],
): Promise<string> {
  const value = (pattern: RegExp): string => pattern.exec(data)?.[1] ?? "";
  const bytes = await get(`${base}${value(/<location href="([^"]+)"/)}`);
  if (digestOf(bytes) !== value(/<checksum type="sha256">(\w+)</)) {
    problems.push(`${base} ${type}: other bytes than signed`);
  }
  if (bytes.length !== Number(value(/<size>(\d+)</))) problems.push(`${base} ${type}: other size`);
  const open = gunzipSync(bytes);
  const openDigest = value(/<open-checksum type="sha256">(\w+)</);
  if (openDigest !== "" && digestOf(open) !== openDigest) {
    problems.push(`${base} ${type}: other content than signed`);
  }
  const xml = open.toString();
  if (/^(primary|filelists|other)$/.test(type)) {
    const promised = Number(/packages="(\d+)"/.exec(xml)?.[1]);
    const counted = xml.match(/<package /g)?.length ?? 0;
    if (promised !== counted)
      problems.push(`${base} ${type}: ${promised} promised, ${counted} there`);
  }
  return xml;
}

interface Listed {
  readonly href: string;
  readonly sha256: string;
}

/** The three documents must speak of the same packages. */
function listedIn(
  documents: ReadonlyMap<string, string>,
  problems: string[],
  base: string,
): readonly Listed[] {
  const idsOf = (type: string): string =>
    [...(documents.get(type) ?? "").matchAll(/pkgid="(\w{64})"/g)].map(([, id]) => id).join(" ");
  const primary = documents.get("primary") ?? "";
  const listed = [
    ...primary.matchAll(/pkgid="YES">(\w{64})<[\s\S]*?<location href="([^"]+)"/g),
  ].map(([, sha256 = "", href = ""]) => ({ sha256, href }));
  const ids = listed.map(({ sha256 }) => sha256).join(" ");
  if (ids !== idsOf("filelists") || ids !== idsOf("other")) {
    problems.push(`${base}: the documents list different packages`);
  }
  return listed;
}

async function get(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}
