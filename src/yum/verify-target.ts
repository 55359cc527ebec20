import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decompress } from "./compression.ts";
import { footText, headText, splitPackages } from "./documents.ts";
import { DOCUMENTS } from "./layout.ts";
import type { DocumentName, YumLayout } from "./layout.ts";
import { repomdEntries, repomdXml } from "./repomd.ts";
import { segmentId } from "./segment-id.ts";
import { documentParts, readServedView } from "./served-view.ts";
import type { FilePart, ServedPlace, ServedView } from "./served-view.ts";
import { memberFile, readSegment } from "./target-state.ts";
import type { Compression, ListedPackage, SegmentRef } from "./target-state.ts";

export interface VerifyOptions {
  /** Checks a detached signature with a program that shares no code with the signer; throws if it is bad. */
  readonly verifySignature: (path: string, signature: string) => Promise<void>;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Verified {
  readonly packages: number;
  /** Sentences; none: everything that clients may ask for is as it was signed. */
  readonly problems: readonly string[];
}

const PROBLEMS_MAX = 100;

/**
 * Reads everything that one served target is made of: segments, documents, index, signature and each
 * RPM in the pool. Undefined if the generation does not have the target. Holds one segment at a time.
 */
export async function verifyTarget(
  layout: YumLayout,
  place: ServedPlace,
  options: VerifyOptions,
): Promise<Verified | undefined> {
  const served = await readServedView(layout, place);
  if (served === undefined) return undefined;
  const problems: string[] = [];
  const check = async (what: string, work: () => Promise<void>): Promise<void> => {
    if (problems.length >= PROBLEMS_MAX) return;
    await work().catch((err: unknown) => {
      problems.push(`${what}: ${err instanceof Error ? err.message : String(err)}`);
    });
  };

  let packages = 0;
  const checkPackages = async (listed: readonly ListedPackage[]): Promise<void> => {
    for (const each of listed) await check(each.nevra, () => checkPackage(layout, each));
    packages += listed.length;
    options.onProgress?.(packages, served.view.packages);
  };
  for (const segment of served.segments) {
    await check(`Segment ${segment.id}`, async () => {
      await checkPackages(await checkSegment(layout, segment, served.state.compression));
    });
  }
  await checkPackages(served.tail);
  await check("Number of packages", async () => {
    expectSame("packages", packages, served.view.packages);
  });
  for (const document of DOCUMENTS) {
    await check(document, () => checkDocument(layout, served, document));
  }
  for (const extra of served.extras) {
    await check(extra.type, async () => {
      expectSame("sha256", await sha256OfFile(layout.extra(extra.sha256)), extra.sha256);
    });
  }
  await check("repomd.xml", () => checkRepomd(served));
  await check("repomd.xml.asc", async () => {
    const path = join(served.repodata, "repomd.xml");
    await options.verifySignature(path, `${path}.asc`);
  });
  return { packages, problems };
}

/** A segment's packages, if its members hold these and no others. */
async function checkSegment(
  layout: YumLayout,
  ref: SegmentRef,
  compression: Compression,
): Promise<readonly ListedPackage[]> {
  const file = await readSegment(layout, ref.id);
  expectSame("compression", file.compression, compression);
  expectSame("id", segmentId(file.compression, file.packages), ref.id);
  expectSame("packages", file.packages.length, ref.packages);
  for (const document of DOCUMENTS) {
    const bytes = await readFile(join(layout.segment(ref.id), memberFile(document, compression)));
    expectSame(`${document} sha256`, sha256Of(bytes), file.members[document].sha256);
    expectSame(`${document} bytes`, bytes.length, ref.members[document].bytes);
    const open = await decompress(compression, bytes);
    expectSame(`${document} open bytes`, open.length, ref.members[document].openBytes);
    expectPackages(document, open, file.packages);
  }
  return file.packages;
}

function expectPackages(
  document: DocumentName,
  open: Buffer,
  packages: readonly ListedPackage[],
): void {
  const found = splitPackages(open).map((text) => pkgid(text.toString("utf8")));
  const listed = packages.map(({ sha256 }) => sha256);
  if (found.join() === listed.join()) return;
  throw new Error(`${document} has other packages than the segment lists.`);
}

function pkgid(text: string): string | undefined {
  return /pkgid="(?:YES">)?([0-9a-f]{64})/.exec(text)?.[1];
}

async function checkPackage(
  layout: YumLayout,
  listed: Pick<ListedPackage, "sha256" | "fileName">,
): Promise<void> {
  expectSame("sha256", await sha256OfFile(layout.package(listed)), listed.sha256);
}

/** The bytes that the server sends, against what `repomd.xml` says of them. */
async function checkDocument(
  layout: YumLayout,
  served: ServedView,
  document: DocumentName,
): Promise<void> {
  const facts = served.view.documents[document];
  const [hash, openHash] = [createHash("sha256"), createHash("sha256")];
  let [sizeBytes, openSizeBytes] = [0, 0];
  const parts = documentParts(layout, served, document);
  for (const [i, part] of parts.entries()) {
    const bytes = await readPart(part);
    const open = await decompress(served.state.compression, bytes);
    hash.update(bytes);
    openHash.update(open);
    sizeBytes += bytes.length;
    openSizeBytes += open.length;
    const text = i === 0 || i === parts.length - 1 ? open.toString("utf8") : undefined;
    if (i === 0) expectSame("head", text, headText(document, served.view.packages));
    if (i === parts.length - 1) checkTail(text ?? "", served.tail, document);
  }
  expectSame("sha256", hash.digest("hex"), facts.sha256);
  expectSame("size", sizeBytes, facts.sizeBytes);
  expectSame("open size", openSizeBytes, facts.openSizeBytes);
  if (facts.openSha256 !== null)
    expectSame("open sha256", openHash.digest("hex"), facts.openSha256);
}

function checkTail(text: string, tail: readonly ListedPackage[], document: DocumentName): void {
  const foot = footText(document);
  if (!text.endsWith(foot)) throw new Error("It does not end as a document does.");
  expectPackages(document, Buffer.from(text.slice(0, -foot.length)), tail);
}

async function checkRepomd({ repodata, view, extras }: ServedView): Promise<void> {
  const text = await readFile(join(repodata, "repomd.xml"), "utf8");
  const timestamp = Number(/<timestamp>(\d+)<\/timestamp>/.exec(text)?.[1] ?? 0);
  const revision = { revision: view.since, createdAt: timestamp * 1000 };
  expectSame("text", text, repomdXml(repomdEntries(view.documents, extras), revision));
}

async function readPart({ path, start, bytes }: FilePart): Promise<Buffer> {
  const whole = await readFile(path);
  return whole.subarray(start, start + bytes);
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function expectSame(what: string, found: unknown, expected: unknown): void {
  if (found === expected) return;
  throw new Error(`${what} is ${String(found)}, and should be ${String(expected)}.`);
}
