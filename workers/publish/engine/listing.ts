import { UserFault } from "../../../src/domain/faults.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import type {
  Compression,
  ListedPackage,
  SegmentRef,
  TargetState,
} from "../../../src/yum/target-state.ts";
import type { Assembler } from "./assembler.ts";
import type { PackageSource } from "./assembly-calls.ts";
import { joinable, needsFold, sealable, startsLayers } from "./segment-plan.ts";

/** What a target lists, apart from how it is served. */
export type Listing = Pick<TargetState, "compression" | "segments" | "baseSegments" | "tail">;

export interface ListingEdit {
  readonly add: readonly PackageSource[];
  readonly remove: readonly string[];
  readonly layers: "auto" | "off";
}

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

export function packagesOf({ segments, tail }: Pick<Listing, "segments" | "tail">): number {
  return segments.reduce((sum, { packages }) => sum + packages, tail.length);
}

/**
 * The listing after an edit, or undefined if it changes nothing. Throws `NEVRA_TAKEN` where an
 * identity is listed with other bytes.
 */
export async function editListing(
  deps: ListingDeps,
  before: Listing,
  edit: ListingEdit,
): Promise<Listing | undefined> {
  const removed = await removePackages(deps, before, edit.remove);
  const added = await newPackages(deps, removed.listing, edit.add);
  if (!removed.isChanged && added.length === 0) return undefined;
  const paths = new Map(edit.add.map(({ sha256, path }) => [sha256, path]));
  const start = await withJoined(deps, removed.listing);
  return await grow(deps, start, { ...edit, paths, added, isBaseHit: removed.isBaseHit });
}

/**
 * What was listed before is folded first, since idle time may have prepared that; what is new makes
 * the next updates layer, unless it is too much for one.
 */
async function grow(
  deps: ListingDeps,
  listing: Listing,
  { layers, paths, added, isBaseHit }: Growth,
): Promise<Listing> {
  if (layers === "off") return await sealTail(deps, { ...listing, baseSegments: 0 }, added, paths);
  // A changed base is downloaded whole anyway, so it takes all there is.
  const isFolded = isBaseHit || wantsFold(listing, added.length);
  const start = isFolded ? await foldListing(deps, listing, paths) : listing;
  const grown = await sealTail(deps, start, added, paths);
  return wantsFold(grown, 0) ? await foldListing(deps, grown, paths) : grown;
}

interface Growth {
  readonly layers: "auto" | "off";
  readonly paths: Paths;
  readonly added: readonly ListedPackage[];
  readonly isBaseHit: boolean;
}

/** With so many more packages, would the listing be folded? */
export function wantsFold(listing: Listing, more: number): boolean {
  const packages = packagesOf(listing) + more;
  if (listing.baseSegments === 0) return startsLayers(packages);
  const inBase = packagesOf({
    segments: listing.segments.slice(0, listing.baseSegments),
    tail: [],
  });
  return needsFold(packages, packages - inBase);
}

/** Replaces neighbours in the part that is not frozen. */
export async function withJoined(
  { joined }: Pick<ListingDeps, "joined">,
  listing: Listing,
): Promise<Listing> {
  const frozen = listing.segments.slice(0, listing.baseSegments);
  const open = listing.segments.slice(listing.baseSegments);
  const groups = joinable(open, { whole: false });
  return { ...listing, segments: [...frozen, ...(await replaceGroups(open, groups, joined))] };
}

async function replaceGroups(
  segments: readonly SegmentRef[],
  groups: readonly (readonly SegmentRef[])[],
  joined: JoinedSegments,
): Promise<readonly SegmentRef[]> {
  const firsts = new Map(groups.map((group) => [group[0], group]));
  const replaced: SegmentRef[] = [];
  for (let i = 0; i < segments.length;) {
    const segment = segments[i];
    if (segment === undefined) break;
    const group = firsts.get(segment);
    const whole = group && (await joined.find(group));
    replaced.push(whole ?? segment);
    i += whole ? group.length : 1;
  }
  return replaced;
}

async function removePackages(
  { assembler }: ListingDeps,
  listing: Listing,
  remove: readonly string[],
): Promise<{
  readonly listing: Listing;
  readonly isChanged: boolean;
  readonly isBaseHit: boolean;
}> {
  if (remove.length === 0) return { listing, isChanged: false, isBaseHit: false };
  const without = new Set(remove);
  const tail = listing.tail.filter(({ nevra }) => !without.has(nevra));
  const ids = listing.segments.map(({ id }) => id);
  const found = await assembler.find({ segments: ids, nevras: remove });
  const hit = new Set(found.map(({ segment }) => segment));
  const { compression } = listing;
  const kept = await Promise.all(
    listing.segments.map(async (segment) => {
      if (!hit.has(segment.id)) return segment;
      const request = { compression, segments: [segment.id], without: remove, isIdle: false };
      return await assembler.join(request);
    }),
  );
  const isThere = (segment: SegmentRef | null): segment is SegmentRef => segment !== null;
  const baseSegments = kept.slice(0, listing.baseSegments).filter(isThere).length;
  return {
    listing: { ...listing, segments: kept.filter(isThere), baseSegments, tail },
    isChanged: hit.size > 0 || tail.length < listing.tail.length,
    isBaseHit: ids.slice(0, listing.baseSegments).some((id) => hit.has(id)),
  };
}

/** Those that are not listed yet. The same package twice is one. */
async function newPackages(
  { assembler }: ListingDeps,
  { segments, tail }: Listing,
  add: readonly PackageSource[],
): Promise<readonly ListedPackage[]> {
  if (add.length === 0) return [];
  const nevras = add.map(({ nevra }) => nevra);
  const found = await assembler.find({ segments: segments.map(({ id }) => id), nevras });
  const listed = new Map([...tail, ...found].map(({ nevra, sha256 }) => [nevra, sha256]));
  return add.flatMap(({ nevra, sha256, fileName, sizeBytes }) => {
    const known = listed.get(nevra);
    if (known === sha256) return [];
    if (known !== undefined) throw nevraTaken(nevra);
    listed.set(nevra, sha256);
    return [{ nevra, sha256, fileName, sizeBytes }];
  });
}

function nevraTaken(nevra: string): UserFault {
  return new UserFault("NEVRA_TAKEN", `${nevra} was published meanwhile with other content.`, {
    hint: "Raise the release, or let Tatara number it with `release: auto`.",
  });
}

type Paths = ReadonlyMap<string, string>;

async function sealTail(
  deps: ListingDeps,
  listing: Listing,
  added: readonly ListedPackage[],
  paths: Paths,
): Promise<Listing> {
  const { sealed, tail } = sealable([...listing.tail, ...added]);
  const segments = [...listing.segments];
  // One after the other: each may hold the texts of 1,024 packages.
  for (const packages of sealed) segments.push(await seal(deps, listing, packages, paths));
  return { ...listing, segments, tail: [...tail] };
}

async function seal(
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

/** Everything becomes the base layer. */
export async function foldListing(
  deps: ListingDeps,
  listing: Listing,
  paths: Paths,
  isIdle = false,
): Promise<Listing> {
  const { joined } = deps;
  const rest = listing.tail.length > 0 ? [await seal(deps, listing, listing.tail, paths)] : [];
  const all = [...listing.segments, ...rest];
  const groups = joinable(all, { whole: true });
  for (const group of groups) await joinGroup(deps, listing, group, isIdle);
  const segments = await replaceGroups(all, groups, joined);
  return { ...listing, segments: [...segments], baseSegments: segments.length, tail: [] };
}

/** Has one segment made of several, if that was not done before. */
export async function joinGroup(
  { assembler, joined }: ListingDeps,
  { compression }: Pick<Listing, "compression">,
  group: readonly SegmentRef[],
  isIdle: boolean,
): Promise<void> {
  if ((await joined.find(group)) !== undefined) return;
  const segments = group.map(({ id }) => id);
  const whole = await assembler.join({ compression, segments, without: [], isIdle });
  if (whole !== null) joined.set(group, whole);
}

/** A whole list in segments. */
export async function listingOfWholeList(
  deps: ListingDeps,
  packages: readonly ListedPackage[],
  { compression, layers }: { readonly compression: Compression; readonly layers: "auto" | "off" },
): Promise<Listing> {
  const add = sourcesOf(deps.layout, packages, new Map());
  const empty = emptyListing(compression);
  return (await editListing(deps, empty, { add, remove: [], layers })) ?? empty;
}
