import type { ChannelSettings } from "../../../src/shared/channel-settings.ts";
import {
  isLayered,
  readGeneration,
  readSegment,
  segmentsOf,
} from "../../../src/yum/target-state.ts";
import type { TargetState } from "../../../src/yum/target-state.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import { foldListing } from "./fold-listing.ts";
import type { Listing, ListingDeps } from "./listing.ts";
import { sameIds } from "./make-views.ts";

/**
 * A host keeps each layer for `metadata_expire` and fetches it when that is over, each in its own
 * time: it may have new updates beside the base from before a fold, or the other way round. So that
 * no package vanishes for it,
 *
 * - a base that changes takes all that is listed: it is good beside any earlier updates;
 * - the updates keep what an earlier base did not have: they are good beside that base, until no
 *   host has it any more. That is the overlap, and `updatesFrom` is where it begins.
 */

const HOUR_MS = 3_600_000;
/** The longest of a channel that sets nothing; see `expireSecondsOf` of the server. */
const EXPIRE_SECONDS_MAX = 3_600;

/** Twice as long as a host keeps a base, and two hours at least. */
export function overlapMs({
  metadataExpireSeconds,
}: Pick<ChannelSettings, "metadataExpireSeconds">) {
  return Math.max(2 * HOUR_MS, 2_000 * (metadataExpireSeconds ?? EXPIRE_SECONDS_MAX));
}

/**
 * When the last hosts have dropped the base from before the last fold, in milliseconds since 1970;
 * undefined without an overlap. Throws what `readGeneration` throws.
 */
export async function overlapEnd(
  layout: YumLayout,
  { channel, state }: { readonly channel: string; readonly state: TargetState },
  settings: ChannelSettings,
): Promise<number | undefined> {
  const { base } = state.views;
  if (state.updatesFrom === undefined || base === null) return undefined;
  const { createdAt } = await readGeneration(layout, channel, base.since);
  return createdAt + overlapMs(settings);
}

/** Only what is not in the base is in the updates. An empty base is none that all is in. */
export function withoutOverlap(listing: Listing): Listing {
  const { compression, segments, baseSegments, tail } = listing;
  return baseSegments === 0 ? listing : { compression, segments, baseSegments, tail };
}

/**
 * The listing of another generation for hosts that have this head's layers. The same listing if it
 * can be served as it was.
 */
export async function restoredListing(
  deps: ListingDeps,
  head: TargetState | undefined,
  listing: Listing,
): Promise<Listing> {
  if (head === undefined || !isLayered(head)) return listing;
  if (isLayered(listing) && sameIds(segmentsOf(head, "base"), segmentsOf(listing, "base"))) {
    const { updatesFrom = listing.baseSegments } = listing;
    const isCovered = updatesFrom <= (head.updatesFrom ?? head.baseSegments);
    return isCovered ? listing : { ...listing, updatesFrom: head.updatesFrom ?? updatesFrom };
  }
  const updatesFrom = await firstOfUpdates(deps, head, listing);
  return await foldListing(deps, { ...listing, updatesFrom }, new Map());
}

/** The first segment with a package of the head's updates; how many there are if only the tail has. */
async function firstOfUpdates(
  { layout, assembler }: ListingDeps,
  head: TargetState,
  { segments }: Listing,
): Promise<number> {
  const nevras = head.tail.map(({ nevra }) => nevra);
  for (const { id } of segmentsOf(head, "updates")) {
    for (const { nevra } of (await readSegment(layout, id)).packages) nevras.push(nevra);
  }
  const found = await assembler.find({ segments: segments.map(({ id }) => id), nevras });
  const holding = new Set(found.map(({ segment }) => segment));
  const first = segments.findIndex(({ id }) => holding.has(id));
  return first === -1 ? segments.length : first;
}
