import type { DocumentName, YumLayout } from "../../../src/yum/layout.ts";
import { DOCUMENTS } from "../../../src/yum/layout.ts";
import { isLayered, segmentsOf } from "../../../src/yum/target-state.ts";
import type { SegmentRef, TargetState, View, ViewDocument } from "../../../src/yum/target-state.ts";
import type { Assembler } from "./assembler.ts";
import type { AssembledView, PackageSource } from "./assembly-calls.ts";
import { packagesOf } from "./listing.ts";
import type { Listing } from "./listing.ts";
import { extrasOf, servedName } from "./write-generation.ts";
import type { NewTarget, NewView, ViewName } from "./write-generation.ts";

/** A target as it shall be, before its documents are made. */
export interface TargetDraft {
  readonly target: string;
  readonly listing: Listing;
  readonly tail: readonly PackageSource[];
  readonly advisories: readonly string[];
  readonly extras: TargetState["extras"];
  /** What the head has: its views stay byte for byte where nothing in them changes. */
  readonly before: TargetState | undefined;
}

const FORMAT = 2;

/** Makes the documents of the views that change. `number`: of the generation that they are for. */
export async function makeTarget(
  assembler: Assembler,
  draft: TargetDraft,
  number: number,
): Promise<NewTarget> {
  const wanted = viewsOf(draft.listing).map((view) => ({ ...view, before: keptView(draft, view) }));
  const changed = wanted.filter(({ before }) => before === undefined);
  const { compression } = draft.listing;
  const views = changed.map(({ segments, hasTail }) => ({ segments, hasTail }));
  const assembled = await assembler.assemble({ compression, tail: draft.tail, views });
  const made = changed.map(({ name, packages }, i): NewView => {
    const documents = assembled[i];
    if (documents === undefined)
      throw new Error("The thread gave fewer views than were asked for.");
    return newView({ name, packages, documents, number });
  });
  const viewNamed = (name: ViewName): View | null =>
    made.find((each) => each.name === name)?.view ??
    wanted.find((each) => each.name === name)?.before ??
    null;
  const full = viewNamed("full");
  if (full === null) throw new Error("Every target has a full view.");
  return {
    target: draft.target,
    views: made,
    state: {
      format: FORMAT,
      ...plainListing(draft.listing),
      advisories: [...draft.advisories],
      extras: [...draft.extras],
      views: { full, base: viewNamed("base"), updates: viewNamed("updates") },
    },
  };
}

/** A target of another generation under a new number: the same documents, under a new `repomd.xml`. */
export function copyTarget(
  layout: YumLayout,
  from: {
    readonly channel: string;
    readonly target: string;
    readonly state: TargetState;
    readonly before: TargetState | undefined;
  },
  number: number,
): NewTarget {
  const names = ["full", "base", "updates"] as const;
  const kept = new Map(names.map((name) => [name, sameView(from.before, from.state, name)]));
  const views = names.flatMap((name): NewView[] => {
    const view = from.state.views[name];
    if (view === null || kept.get(name) !== undefined) return [];
    const sameAs = layout.served(from.channel, view.since, servedName(from.target, name));
    return [{ name, view: { ...view, since: number }, ends: { sameAs } }];
  });
  const viewNamed = (name: ViewName): View | null =>
    views.find((each) => each.name === name)?.view ?? kept.get(name) ?? null;
  const full = viewNamed("full") ?? from.state.views.full;
  return {
    target: from.target,
    views,
    state: {
      ...from.state,
      views: { full, base: viewNamed("base"), updates: viewNamed("updates") },
    },
  };
}

function sameView(
  before: TargetState | undefined,
  state: TargetState,
  name: ViewName,
): View | undefined {
  const view = before?.views[name];
  if (before === undefined || !view) return undefined;
  const [was, is] = [before, state].map((each) =>
    JSON.stringify([each.views[name]?.documents, extrasOf(each, name)]),
  );
  return was === is ? view : undefined;
}

interface WantedView {
  readonly name: ViewName;
  readonly segments: readonly SegmentRef[];
  readonly hasTail: boolean;
  readonly packages: number;
}

export function viewsOf(listing: Listing): readonly WantedView[] {
  const view = (name: ViewName, hasTail: boolean): WantedView => {
    const segments = segmentsOf(listing, name);
    const packages = packagesOf({ segments, tail: hasTail ? listing.tail : [] });
    return { name, segments, hasTail, packages };
  };
  const full = view("full", true);
  return isLayered(listing) ? [full, view("base", false), view("updates", true)] : [full];
}

/** The view as the head has it, if that is what it shall be. */
function keptView({ before, ...draft }: TargetDraft, wanted: WantedView): View | undefined {
  const view = before?.views[wanted.name];
  if (before === undefined || !view) return undefined;
  const was = viewsOf(before).find(({ name }) => name === wanted.name);
  const isSame =
    was !== undefined &&
    before.compression === draft.listing.compression &&
    sameIds(was.segments, wanted.segments) &&
    (!wanted.hasTail || sameTail(before.tail, draft.listing.tail)) &&
    JSON.stringify(extrasOf(before, wanted.name)) === JSON.stringify(extrasOf(draft, wanted.name));
  return isSame ? view : undefined;
}

export function sameIds(a: readonly SegmentRef[], b: readonly SegmentRef[]): boolean {
  return a.length === b.length && a.every(({ id }, i) => id === b[i]?.id);
}

function sameTail(a: Listing["tail"], b: Listing["tail"]): boolean {
  return a.length === b.length && a.every(({ sha256 }, i) => sha256 === b[i]?.sha256);
}

function newView({
  name,
  packages,
  documents,
  number,
}: {
  readonly name: ViewName;
  readonly packages: number;
  readonly documents: AssembledView;
  readonly number: number;
}): NewView {
  const facts = DOCUMENTS.map((document): [DocumentName, ViewDocument] => {
    const { ends: _, ...fact } = documents[document];
    return [document, fact];
  });
  const ends = DOCUMENTS.map((document) => [document, documents[document].ends]);
  return {
    name,
    view: { since: number, packages, documents: Object.fromEntries(facts) as View["documents"] },
    ends: Object.fromEntries(ends) as Record<DocumentName, Uint8Array>,
  };
}

function plainListing({ compression, segments, baseSegments, updatesFrom, tail }: Listing) {
  const layers = { baseSegments, ...(updatesFrom !== undefined && { updatesFrom }) };
  return { compression, segments: [...segments], ...layers, tail: [...tail] };
}
