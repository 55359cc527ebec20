import { isLayered } from "../../../src/yum/target-state.ts";
import type { ListedPackage, SegmentRef } from "../../../src/yum/target-state.ts";
import type { AdvisoryFiles } from "./advisories.ts";
import type { BaseTarget } from "./bases.ts";
import { extrasOf, withExtras } from "./extras.ts";
import { editListing } from "./edit-listing.ts";
import { foldListing, wantsFold } from "./fold-listing.ts";
import { overlapEnd, withoutOverlap } from "./fold-overlap.ts";
import { emptyListing, packagesOf, sourcesOf } from "./listing.ts";
import type { Listing, ListingDeps } from "./listing.ts";
import type { TargetDraft } from "./make-views.ts";
import type { EditRequest, StageRequest } from "./stage-request.ts";
import type { TargetAdvisory } from "./updateinfo.ts";

export interface DraftDeps extends ListingDeps {
  readonly advisories: AdvisoryFiles;
  readonly now: () => number;
}

type Settings = StageRequest["settings"];
type Change = Pick<StageRequest, "channel" | "settings"> & { readonly edit: EditRequest };

/** The target after the edit, or undefined if the edit changes nothing of it. */
export async function draftTarget(
  deps: DraftDeps,
  target: string,
  before: BaseTarget | undefined,
  { channel, edit, settings }: Change,
): Promise<TargetDraft | undefined> {
  const add = edit.add.get(target) ?? [];
  const start = before
    ? await listingNow(deps, before, { channel, settings })
    : emptyListing(settings.compression);
  const remove = edit.remove.get(target) ?? [];
  const edited = await editListing(deps, start, { add, remove, layers: settings.layers });
  const listing = edit.rewrite ? await rebuild(deps, edited ?? start, settings) : (edited ?? start);

  const known = before?.advisories ?? [];
  const told = edit.advisories.filter((each) =>
    add.some(({ nevra }) => each.nevras.includes(nevra)),
  );
  const isAdvised = told.length > 0 || (known.length > 0 && (remove.length > 0 || edit.rewrite));
  const ids = [...new Set([...known, ...told.map(({ id }) => id)])];
  const advised = isAdvised ? await listedAdvisories(deps, listing, ids) : undefined;
  const texts = extrasOf(target, advised, edit.extras);
  const extras = await withExtras(deps.layout, before?.extras ?? [], texts);
  const isSame = JSON.stringify(extras) === JSON.stringify(before?.extras ?? []);
  if (edited === undefined && isSame && !(edit.rewrite && before !== undefined)) return undefined;
  const paths = new Map(add.map(({ sha256, path }) => [sha256, path]));
  return {
    target,
    listing,
    tail: sourcesOf(deps.layout, listing.tail, paths),
    advisories: advised?.map(({ advisory }) => advisory.id) ?? known,
    extras: [...extras],
    before: edit.rewrite ? undefined : before?.state,
  };
}

/** An overlap ends with the first change after its time. */
async function listingNow(
  { layout, now }: DraftDeps,
  { listing, state }: BaseTarget,
  { channel, settings }: Omit<Change, "edit">,
): Promise<Listing> {
  const end = state && (await overlapEnd(layout, { channel, state }, settings));
  return end !== undefined && end <= now() ? withoutOverlap(listing) : listing;
}

async function rebuild(deps: DraftDeps, listing: Listing, settings: Settings): Promise<Listing> {
  const { compression, layers } = settings;
  const segments = listing.segments.map(({ id }) => id);
  const rebuilt = await deps.assembler.rebuild({ compression, segments, tail: listing.tail });
  const tail = [...rebuilt.tail];
  const made = { compression, baseSegments: 0, segments: [...rebuilt.segments], tail };
  if (layers === "off") return made;
  if (!isLayered(listing)) {
    return wantsFold(made, 0) ? await foldListing(deps, made, new Map()) : made;
  }
  const updatesFrom = firstOfUpdates(listing, made.segments);
  return await foldListing(deps, { ...made, updatesFrom }, new Map());
}

/** Which of the new segments has the first package that the updates had. */
function firstOfUpdates(before: Listing, segments: readonly SegmentRef[]): number {
  const { baseSegments, updatesFrom = baseSegments } = before;
  let packages = packagesOf({ segments: before.segments.slice(0, updatesFrom), tail: [] });
  const first = segments.findIndex((segment) => (packages -= segment.packages) < 0);
  return first === -1 ? segments.length : first;
}

/** Those with at least one package that the target lists. */
async function listedAdvisories(
  { assembler, advisories }: DraftDeps,
  { segments, tail }: Listing,
  ids: readonly string[],
): Promise<readonly TargetAdvisory[]> {
  const read = await advisories.read(ids);
  const nevras = [...new Set(read.flatMap((each) => each.nevras))];
  const found = await assembler.find({ segments: segments.map(({ id }) => id), nevras });
  const listed = new Map<string, ListedPackage>(
    [...found, ...tail].map((each) => [each.nevra, each]),
  );
  return read.flatMap((advisory) => {
    const packages = advisory.nevras.flatMap((nevra) => listed.get(nevra) ?? []);
    return packages.length === 0 ? [] : [{ advisory, packages }];
  });
}
