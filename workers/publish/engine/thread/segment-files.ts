import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder, syncPath } from "../../../../src/shared/durable.ts";
import { compress, decompress } from "../../../../src/yum/compression.ts";
import { DOCUMENTS } from "../../../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../../../src/yum/layout.ts";
import { segmentId } from "../../../../src/yum/segment-id.ts";
import { memberFile, readSegment } from "../../../../src/yum/target-state.ts";
import type {
  Compression,
  ListedPackage,
  SegmentFile,
  SegmentRef,
} from "../../../../src/yum/target-state.ts";
import { INDEX_FILE } from "./segment-index.ts";
import { writeSynced } from "../../durable.ts";

/** A segment's content, before it is compressed. */
export interface OpenSegment {
  readonly compression: Compression;
  readonly packages: readonly ListedPackage[];
  readonly texts: Readonly<Record<DocumentName, Buffer>>;
  readonly index: Buffer;
}

/** An earlier publish's, if it is there; then it counts as young again, for whoever sweeps. */
export async function findSegment(layout: YumLayout, id: string): Promise<SegmentRef | undefined> {
  try {
    const found = await readSegment(layout, id);
    const now = new Date();
    await utimes(layout.segment(id), now, now);
    return refOf(found);
  } catch (err) {
    if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
    throw err;
  }
}

/**
 * Compresses and stores a segment: whole and on the disk when it resolves. The folder comes by one
 * rename after its files and their names were fsynced, so a segment that is there is whole.
 */
export async function storeSegment(layout: YumLayout, open: OpenSegment): Promise<SegmentRef> {
  const id = segmentId(open.compression, open.packages);
  const made = await Promise.all(
    DOCUMENTS.map(async (name) => {
      const bytes = await compress(open.compression, open.texts[name]);
      const facts = { bytes: bytes.length, openBytes: open.texts[name].length };
      return { name, bytes, facts: { ...facts, sha256: sha256Of(bytes) } };
    }),
  );
  const facts = Object.fromEntries(made.map((each) => [each.name, each.facts]));
  const members = facts as SegmentFile["members"];
  const { compression, packages } = open;
  const file: SegmentFile = { format: 1, id, compression, packages: [...packages], members };

  const staged = join(layout.staging, `segment-${randomUUID()}`);
  const folder = layout.segment(id);
  await Promise.all([mkdir(staged, { recursive: true }), makeFolder(dirname(folder))]);
  await Promise.all([
    ...made.map(({ name, bytes }) =>
      writeSynced(join(staged, memberFile(name, compression)), bytes),
    ),
    writeSynced(join(staged, "segment.json"), JSON.stringify(file)),
    writeSynced(join(staged, INDEX_FILE), open.index),
  ]);
  await syncPath(staged);
  const isNew = await moveOnce(staged, folder);
  const stored = isNew ? file : await keepWhole(layout, file, staged);
  await syncPath(dirname(folder));
  return refOf(stored);
}

/** A member once decompressed. */
export async function readOpenMember(
  layout: YumLayout,
  { id, compression }: { readonly id: string; readonly compression: Compression },
  document: DocumentName,
): Promise<Buffer> {
  return await decompress(compression, await readMember(layout, { id, compression }, document));
}

export async function readMember(
  layout: YumLayout,
  { id, compression }: { readonly id: string; readonly compression: Compression },
  document: DocumentName,
): Promise<Buffer> {
  return await readFile(join(layout.segment(id), memberFile(document, compression)));
}

function refOf({ id, packages, members }: SegmentFile): SegmentRef {
  const plain = DOCUMENTS.map((name): [DocumentName, { bytes: number; openBytes: number }] => {
    const { bytes, openBytes } = members[name];
    return [name, { bytes, openBytes }];
  });
  const sizes = Object.fromEntries(plain) as SegmentRef["members"];
  return { id, packages: packages.length, members: sizes };
}

/** Answers whether it was moved: there may be one already. */
async function moveOnce(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (err) {
    const code = err instanceof Error && "code" in err ? err.code : undefined;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw err;
    return false;
  }
}

/**
 * The segment that is there stays if it is whole, for generations name its bytes; what is damaged is
 * replaced file by file, which are the same bytes unless the compressor is another version.
 */
async function keepWhole(
  layout: YumLayout,
  made: SegmentFile,
  staged: string,
): Promise<SegmentFile> {
  const folder = layout.segment(made.id);
  const present = await readSegment(layout, made.id).catch(() => undefined);
  const isWhole = present !== undefined && (await hasItsBytes(layout, present));
  if (!isWhole) {
    for (const name of await readdir(staged)) await rename(join(staged, name), join(folder, name));
    await syncPath(folder);
  }
  await rm(staged, { recursive: true, force: true });
  return isWhole ? present : made;
}

async function hasItsBytes(layout: YumLayout, segment: SegmentFile): Promise<boolean> {
  const checked = DOCUMENTS.map(async (name) => {
    const bytes = await readMember(layout, segment, name).catch(() => undefined);
    return bytes !== undefined && sha256Of(bytes) === segment.members[name].sha256;
  });
  return (await Promise.all(checked)).every(Boolean);
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
