import type { YumLayout } from "../../../src/yum/layout.ts";
import type {
  Compression,
  ListedPackage,
  SegmentRef,
  TargetState,
} from "../../../src/yum/target-state.ts";
import type { Assembler } from "./assembler.ts";
import type { PackageSource } from "./assembly-calls.ts";

/** What a target lists, apart from how it is served. */
export type Listing = Pick<
  TargetState,
  "compression" | "segments" | "baseSegments" | "updatesFrom" | "tail"
>;

export interface ListingDeps {
  readonly layout: YumLayout;
  readonly assembler: Assembler;
  /** Segments that were joined already, mostly in idle time. */
  readonly joined: JoinedSegments;
}

export interface JoinedSegments {
  /** Undefined if it was not made, or swept since. */
  find(segments: readonly SegmentRef[]): Promise<SegmentRef | undefined>;
  set(segments: readonly SegmentRef[], whole: SegmentRef): void;
}

export function emptyListing(compression: Compression): Listing {
  return { compression, segments: [], baseSegments: 0, tail: [] };
}

export function packagesOf({
  segments,
  tail,
}: {
  readonly segments: readonly SegmentRef[];
  readonly tail: readonly unknown[];
}): number {
  return segments.reduce((sum, { packages }) => sum + packages, tail.length);
}

/** Where the new packages are, by sha256. */
export type Paths = ReadonlyMap<string, string>;

export async function seal(
  { layout, assembler }: ListingDeps,
  { compression }: Listing,
  packages: readonly ListedPackage[],
  paths: Paths,
): Promise<SegmentRef> {
  return await assembler.seal({ compression, packages: sourcesOf(layout, packages, paths) });
}

/** A new package is read where it is now; every other is in the pool. */
export function sourcesOf(
  layout: YumLayout,
  packages: readonly ListedPackage[],
  paths: Paths,
): readonly PackageSource[] {
  return packages.map((each) => ({
    ...each,
    path: paths.get(each.sha256) ?? layout.package(each),
  }));
}
