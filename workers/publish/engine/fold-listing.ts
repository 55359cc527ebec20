import { isLayered } from "../../../src/yum/target-state.ts";
import type { SegmentRef } from "../../../src/yum/target-state.ts";
import { packagesOf, seal } from "./listing.ts";
import type { JoinedSegments, Listing, ListingDeps, Paths } from "./listing.ts";
import { joinable, needsFold, startsLayers } from "./segment-plan.ts";

/** With so many more packages, would the listing be folded? Not again while an overlap lasts. */
export function wantsFold(listing: Listing, more: number): boolean {
  const isOverlapping = listing.baseSegments > 0 && listing.updatesFrom !== undefined;
  return !isOverlapping && isOutgrown(listing, more);
}

/** Is there too much that the base does not have? */
export function isOutgrown(listing: Listing, more: number): boolean {
  const packages = packagesOf(listing) + more;
  if (!isLayered(listing)) return startsLayers(packages);
  if (listing.baseSegments === 0) return packages > 0;
  const inBase = packagesOf({
    segments: listing.segments.slice(0, listing.baseSegments),
    tail: [],
  });
  return needsFold(packages, packages - inBase);
}

/**
 * Everything becomes the base layer. What the base did not have before stays in the updates too, and
 * in segments of its own: see `fold-overlap.ts`.
 */
export async function foldListing(
  deps: ListingDeps,
  listing: Listing,
  paths: Paths,
  isIdle = false,
): Promise<Listing> {
  const { compression, baseSegments, updatesFrom = baseSegments } = listing;
  const rest = listing.tail.length > 0 ? [await seal(deps, listing, listing.tail, paths)] : [];
  const all = [...listing.segments, ...rest];
  const older = await joinAll(deps, listing, all.slice(0, updatesFrom), isIdle);
  const newer = await joinAll(deps, listing, all.slice(updatesFrom), isIdle);
  const segments = [...older, ...newer];
  const overlap = isLayered(listing) && { updatesFrom: older.length };
  return { compression, segments, baseSegments: segments.length, tail: [], ...overlap };
}

async function joinAll(
  deps: ListingDeps,
  listing: Listing,
  segments: readonly SegmentRef[],
  isIdle: boolean,
): Promise<readonly SegmentRef[]> {
  const groups = joinable(segments, { whole: true });
  for (const group of groups) await joinGroup(deps, listing, group, isIdle);
  return await replaceGroups(segments, groups, deps.joined);
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
