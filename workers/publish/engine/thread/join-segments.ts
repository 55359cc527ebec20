import { segmentId } from "../../../../src/yum/segment-id.ts";
import { splitPackages } from "../../../../src/yum/documents.ts";
import { DOCUMENTS } from "../../../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../../../src/yum/layout.ts";
import { segmentIndex } from "../../../../src/yum/resolve/segment-index.ts";
import { readRpm } from "../../../../src/yum/rpm/read-rpm.ts";
import { readSegment } from "../../../../src/yum/target-state.ts";
import type { ListedPackage, SegmentFile, SegmentRef } from "../../../../src/yum/target-state.ts";
import type { AssemblyCalls } from "../assembly-calls.ts";
import { joinIndexes } from "./segment-index.ts";
import { inGroups } from "./package-texts.ts";
import type { SegmentMakers } from "./seal-packages.ts";
import { findSegment, readOpenMember, storeSegment } from "./segment-files.ts";

/** Several segments as one, or one without some packages. Null if no package is left. */
export async function joinSegments(
  { layout, nevras, turns }: SegmentMakers,
  request: Parameters<AssemblyCalls["join"]>[0],
): Promise<SegmentRef | null> {
  const { compression, isIdle } = request;
  const pause = isIdle ? () => turns.idle() : () => Promise.resolve();
  const without = new Set(request.without);
  const sources = await Promise.all(request.segments.map((id) => readSegment(layout, id)));
  const isKept = sources.map(({ packages }) => packages.map(({ nevra }) => !without.has(nevra)));
  const packages = sources.flatMap((source, s) => source.packages.filter((_, i) => isKept[s]?.[i]));
  if (packages.length === 0) return null;

  const id = segmentId(compression, packages);
  nevras.add(id, packages);
  const found = await findSegment(layout, id);
  if (found !== undefined) return found;
  const texts: Partial<Record<DocumentName, Buffer>> = {};
  for (const document of DOCUMENTS) {
    const parts: Buffer[] = [];
    for (const [s, source] of sources.entries()) {
      await pause();
      parts.push(keptText(await readOpenMember(layout, source, document), source, isKept[s] ?? []));
    }
    texts[document] = Buffer.concat(parts);
  }
  await pause();
  const kept = sources.map((source, s) => ({ id: source.id, isKept: isKept[s] ?? [] }));
  const index = await joinIndexes(layout, kept).catch(() => indexFromPool(layout, packages));
  const made = { compression, packages, texts: texts as Record<DocumentName, Buffer>, index };
  return await storeSegment(layout, made);
}

/** Where an index is damaged: reads the RPMs after all. */
async function indexFromPool(
  layout: YumLayout,
  packages: readonly ListedPackage[],
): Promise<Buffer> {
  return segmentIndex(await inGroups(packages, (each) => readRpm(layout.package(each))));
}

function keptText(open: Buffer, { id, packages }: SegmentFile, isKept: readonly boolean[]): Buffer {
  if (isKept.every(Boolean)) return open;
  const texts = splitPackages(open);
  if (texts.length !== packages.length) {
    throw new Error(`Segment ${id} lists ${packages.length} packages and has ${texts.length}.`);
  }
  return Buffer.concat(texts.filter((_, i) => isKept[i]));
}
