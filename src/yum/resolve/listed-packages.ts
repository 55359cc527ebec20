import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Nevra } from "../../domain/nevra.ts";
import type { YumLayout } from "../layout.ts";
import { readRpm } from "../rpm/read-rpm.ts";
import type { RpmPackage } from "../rpm/rpm-package.ts";
import { readSegment } from "../target-state.ts";
import type { ListedPackage, SegmentRef, TargetState } from "../target-state.ts";
import { parseNevra } from "./listed-name.ts";
import { factsOf, weightOf } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import { IndexUnusable, openSegmentIndex, segmentIndex } from "./segment-index.ts";
import type { SegmentIndex } from "./segment-index.ts";
import { weighedCache } from "./weighed-cache.ts";

export const INDEX_FILE = "index.bin";
const INDEXES_BYTES_MAX = 256 * 2 ** 20;
const FACTS_BYTES_MAX = 96 * 2 ** 20;
const LISTING_BYTES_PER_PACKAGE = 512;
/** A publish adds to the tail, and the headers of the others are those of the publish before. */
const HEADERS_BYTES_MAX = 64 * 2 ** 20;
const HEADER_BYTES = 4_096;
const FILE_BYTES = 384;
/** Files that are read at the same time. */
const READS = 8;

/** A listed package; its header is not read for this. */
export interface ListedEntry {
  readonly listed: ListedPackage;
  /** Undefined if what is listed is no NEVRA. */
  readonly id: Nevra | undefined;
}

/** Packages that are found through one index: a segment, a tail, or what is being added. */
export interface PackageGroup {
  readonly index: SegmentIndex;
  /** In the order of the index's ordinals. */
  entries(): Promise<readonly ListedEntry[]>;
}

/** Reads listings, indexes and headers of packages, and keeps what was used last. */
export interface ListedPackages {
  /** Newest first: the tail, then the segments from the last to the first. */
  groups(state: TargetState): Promise<readonly PackageGroup[]>;
  listing(segmentId: string): Promise<readonly ListedEntry[]>;
  /** Undefined if the pooled file is gone or cannot be read. */
  facts(listed: ListedPackage): Promise<PackageFacts | undefined>;
}

export function listedPackages(layout: YumLayout): ListedPackages {
  const indexes = weighedCache<SegmentIndex>(INDEXES_BYTES_MAX, ({ bytes }) => bytes);
  const listings = weighedCache<readonly ListedEntry[]>(
    INDEXES_BYTES_MAX / 4,
    ({ length }) => length * LISTING_BYTES_PER_PACKAGE,
  );
  const facts = weighedCache<PackageFacts>(FACTS_BYTES_MAX, weightOf);
  const headers = weighedCache<RpmPackage>(
    HEADERS_BYTES_MAX,
    ({ files }) => HEADER_BYTES + files.length * FILE_BYTES,
  );
  const header = (listed: ListedPackage): Promise<RpmPackage> =>
    headers.get(listed.sha256, () => readRpm(layout.package(listed)));

  const listing = (id: string): Promise<readonly ListedEntry[]> =>
    listings.get(id, async () => entriesOf((await readSegment(layout, id)).packages));

  const segmentGroup = async (ref: SegmentRef): Promise<PackageGroup> => ({
    index: await indexes.get(ref.id, () => readIndex(layout, ref)),
    entries: () => listing(ref.id),
  });

  const tailGroup = async (tail: readonly ListedPackage[]): Promise<PackageGroup> => ({
    index: await indexes.get(tail.map(({ sha256 }) => sha256).join(), async () =>
      indexOfPackages(await inBatches(tail, header)),
    ),
    entries: () => Promise.resolve(entriesOf(tail)),
  });

  return {
    listing,
    // The repository's own checks find a damaged pool; nobody's publish is refused for it.
    facts: (listed) =>
      facts
        .get(listed.sha256, async () => factsOf(await readRpm(layout.package(listed))))
        .catch(() => undefined),
    async groups({ segments, tail }) {
      const sealed = await inBatches(segments.toReversed(), segmentGroup);
      return tail.length === 0 ? sealed : [await tailGroup(tail), ...sealed];
    },
  };
}

export function entriesOf(packages: readonly ListedPackage[]): readonly ListedEntry[] {
  return packages.map((listed) => ({ listed, id: parseNevra(listed.nevra) }));
}

/** A segment without a usable index gets one in memory, from the pool. */
async function readIndex(layout: YumLayout, { id, packages }: SegmentRef): Promise<SegmentIndex> {
  try {
    const index = openSegmentIndex(await readFile(join(layout.segment(id), INDEX_FILE)));
    if (index.packages === packages) return index;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isMissing && !(error instanceof IndexUnusable)) throw error;
  }
  return await indexOf(layout, (await readSegment(layout, id)).packages);
}

/** Throws what reading the pooled files throws. */
async function indexOf(layout: YumLayout, listed: readonly ListedPackage[]): Promise<SegmentIndex> {
  const packages = await inBatches(listed, (each) => readRpm(layout.package(each)));
  return indexOfPackages(packages);
}

export function indexOfPackages(packages: readonly RpmPackage[]): SegmentIndex {
  return openSegmentIndex(segmentIndex(packages));
}

export async function inBatches<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += READS)
    done.push(...(await Promise.all(items.slice(at, at + READS).map(work))));
  return done;
}
