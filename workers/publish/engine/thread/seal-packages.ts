import { segmentId } from "../../../../src/yum/segment-id.ts";
import { DOCUMENTS } from "../../../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../../../src/yum/layout.ts";
import { segmentIndex } from "../../../../src/yum/resolve/segment-index.ts";
import { readRpm } from "../../../../src/yum/rpm/read-rpm.ts";
import type { Compression, ListedPackage, SegmentRef } from "../../../../src/yum/target-state.ts";
import type { PackageSource } from "../assembly-calls.ts";
import type { NevraIndex } from "./nevra-index.ts";
import { inGroups, textsOf } from "./package-texts.ts";
import type { PackageTexts } from "./package-texts.ts";
import { findSegment, storeSegment } from "./segment-files.ts";
import type { Turns } from "./turns.ts";

export interface SegmentMakers {
  readonly layout: YumLayout;
  readonly texts: PackageTexts;
  readonly nevras: NevraIndex;
  readonly turns: Turns;
}

/** One segment of these packages, read from their RPMs unless it is there already. */
export async function sealPackages(
  makers: SegmentMakers,
  { compression, packages: sources, isAnew = false }: SealRequest,
): Promise<SegmentRef> {
  const { layout, nevras } = makers;
  const packages = sources.map(listedOf);
  const id = segmentId(compression, packages);
  nevras.add(id, packages);
  const found = isAnew ? undefined : await findSegment(layout, id);
  return found ?? (await makeSegment(makers, { compression, packages: sources }, packages));
}

interface SealRequest {
  readonly compression: Compression;
  readonly packages: readonly PackageSource[];
  /** Even if it is there: what is damaged is made good. */
  readonly isAnew?: boolean;
}

async function makeSegment(
  { layout }: SegmentMakers,
  { compression, packages: sources }: SealRequest,
  packages: readonly ListedPackage[],
): Promise<SegmentRef> {
  const read = await inGroups(sources, async (source) => {
    const rpm = await readRpm(source.path);
    return { rpm, texts: textsOf(rpm, source) };
  });
  const bytes = DOCUMENTS.map((name): [DocumentName, Buffer] => [
    name,
    Buffer.concat(read.map(({ texts }) => Buffer.from(texts[name]))),
  ]);
  const texts = Object.fromEntries(bytes) as Record<DocumentName, Buffer>;
  const index = segmentIndex(read.map(({ rpm }) => rpm));
  return await storeSegment(layout, { compression, packages, texts, index });
}

function listedOf({ nevra, sha256, fileName, sizeBytes }: ListedPackage): ListedPackage {
  return { nevra, sha256, fileName, sizeBytes };
}
