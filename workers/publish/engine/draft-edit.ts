import type { ListedPackage } from "../../../src/yum/target-state.ts";
import type { AdvisoryFiles } from "./advisories.ts";
import type { BaseTarget } from "./bases.ts";
import { extrasOf, withExtras } from "./extras.ts";
import { editListing, emptyListing, foldListing, sourcesOf, wantsFold } from "./listing.ts";
import type { Listing, ListingDeps } from "./listing.ts";
import type { TargetDraft } from "./make-views.ts";
import type { EditRequest, StageRequest } from "./stage-request.ts";
import type { TargetAdvisory } from "./updateinfo.ts";

export interface DraftDeps extends ListingDeps {
  readonly advisories: AdvisoryFiles;
}

type Settings = StageRequest["settings"];

/** The target after the edit, or undefined if the edit changes nothing of it. */
export async function draftTarget(
  deps: DraftDeps,
  target: string,
  before: BaseTarget | undefined,
  { edit, settings }: { readonly edit: EditRequest; readonly settings: Settings },
): Promise<TargetDraft | undefined> {
  const add = edit.add.get(target) ?? [];
  const start = before?.listing ?? emptyListing(settings.compression);
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

async function rebuild(deps: DraftDeps, listing: Listing, settings: Settings): Promise<Listing> {
  const { compression, layers } = settings;
  const segments = listing.segments.map(({ id }) => id);
  const rebuilt = await deps.assembler.rebuild({ compression, segments, tail: listing.tail });
  const made = {
    compression,
    baseSegments: 0,
    segments: [...rebuilt.segments],
    tail: [...rebuilt.tail],
  };
  return layers === "auto" && wantsFold(made, 0) ? await foldListing(deps, made, new Map()) : made;
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
