import { UserFault } from "../../../src/domain/faults.ts";
import type { Compression, ListedPackage, SegmentRef } from "../../../src/yum/target-state.ts";
import type { PackageSource } from "./assembly-calls.ts";
import { foldListing, isOutgrown, wantsFold, withJoined } from "./fold-listing.ts";
import { emptyListing, seal, sourcesOf } from "./listing.ts";
import type { Listing, ListingDeps, Paths } from "./listing.ts";
import { sealable } from "./segment-plan.ts";

export interface ListingEdit {
  readonly add: readonly PackageSource[];
  readonly remove: readonly string[];
  readonly layers: "auto" | "off";
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
  if (layers === "off") return await sealTail(deps, withoutLayers(listing), added, paths);
  // A changed base is downloaded whole anyway, so it takes all there is.
  const isFolded = isBaseHit || wantsFold(listing, added.length);
  const start = isFolded ? await foldListing(deps, listing, paths) : listing;
  const grown = await sealTail(deps, start, added, paths);
  const isMuch = isFolded ? isOutgrown(grown, 0) : wantsFold(grown, 0);
  return isMuch ? await foldListing(deps, grown, paths) : grown;
}

interface Growth {
  readonly layers: "auto" | "off";
  readonly paths: Paths;
  readonly added: readonly ListedPackage[];
  readonly isBaseHit: boolean;
}

function withoutLayers({ compression, segments, tail }: Listing): Listing {
  return { compression, segments, baseSegments: 0, tail };
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
  const thereOf = (first: number): number => kept.slice(0, first).filter(isThere).length;
  const { baseSegments, updatesFrom = baseSegments } = listing;
  const isBaseHit = ids.slice(0, baseSegments).some((id) => hit.has(id));
  const layers = { baseSegments: thereOf(baseSegments), updatesFrom: thereOf(updatesFrom) };
  return {
    listing: { ...listing, segments: kept.filter(isThere), tail, ...(isBaseHit && layers) },
    isChanged: hit.size > 0 || tail.length < listing.tail.length,
    isBaseHit,
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
