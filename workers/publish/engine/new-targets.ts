import { isLayered } from "../../../src/yum/target-state.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import type { Base, Bases, BaseTarget } from "./bases.ts";
import { draftTarget } from "./draft-edit.ts";
import type { DraftDeps } from "./draft-edit.ts";
import { restoredListing } from "./fold-overlap.ts";
import { emptyListing, packagesOf, sourcesOf } from "./listing.ts";
import { copyTarget, makeTarget } from "./make-views.ts";
import type { TargetDraft } from "./make-views.ts";
import type { EditRequest, RestoreRequest, StageRequest } from "./stage-request.ts";
import type { NewTarget } from "./write-generation.ts";

interface Context {
  readonly deps: DraftDeps;
  readonly bases: Bases;
  readonly request: StageRequest;
  readonly head: Base;
  /** Of the new generation. */
  readonly number: number;
}

/** The targets that the new generation has otherwise than its head; none: nothing changes. */
export async function newTargets(context: Context): Promise<readonly NewTarget[]> {
  const { edit } = context.request;
  return edit.kind === "edit" ? await editedTargets(context, edit) : await restored(context, edit);
}

/** A target as it is. */
export function draftOf(layout: YumLayout, target: string, at: BaseTarget): TargetDraft {
  const { listing, advisories, extras, state } = at;
  const tail = sourcesOf(layout, listing.tail, new Map());
  return { target, listing, tail, advisories, extras, before: state };
}

async function editedTargets(
  { deps, request, head, number }: Context,
  edit: EditRequest,
): Promise<readonly NewTarget[]> {
  const given = [
    ...edit.add.keys(),
    ...edit.remove.keys(),
    ...edit.extras.map((each) => each.target),
  ];
  const named = new Set([...given, ...(edit.rewrite ? head.targets.keys() : [])]);
  const drafts: TargetDraft[] = [];
  // One after the other, for an import's targets may hold thousands of texts each.
  for (const target of named) {
    const before = head.targets.get(target);
    const draft = await draftTarget(deps, target, before, { ...request, edit });
    if (draft !== undefined) drafts.push(draft);
  }
  if (drafts.length > 0) drafts.push(...convertedTargets(deps.layout, head, drafts));
  return await Promise.all(drafts.map((draft) => makeTarget(deps.assembler, draft, number)));
}

/** Targets of a head with whole lists, which the new generation cannot point at. */
function convertedTargets(
  layout: YumLayout,
  head: Base,
  drafts: readonly TargetDraft[],
): readonly TargetDraft[] {
  const drafted = new Set(drafts.map(({ target }) => target));
  return [...head.targets]
    .filter(([target, { state }]) => state === undefined && !drafted.has(target))
    .map(([target, at]) => draftOf(layout, target, at));
}

async function restored(context: Context, { from }: RestoreRequest): Promise<readonly NewTarget[]> {
  const { deps, bases, request, head, number } = context;
  const source = await bases.read(from.channel, from.number, request.settings);
  const isSame = (target: string, at: BaseTarget): boolean =>
    from.channel === request.channel &&
    at.state !== undefined &&
    head.targets.get(target)?.made === at.made;
  const changed = [...source.targets].filter(([target, at]) => !isSame(target, at));
  const made = changed.map(([target, at]) => restoredTarget(context, target, at));
  // Hosts that read such a target shall see that it is empty, not its last packages.
  const gone = [...head.targets].filter(
    ([target, { listing }]) => !source.targets.has(target) && packagesOf(listing) > 0,
  );
  const emptied = gone.map(([target, { listing, state }]) => {
    const layers = state && isLayered(state) && { updatesFrom: 0 };
    const empty = {
      listing: { ...emptyListing(listing.compression), ...layers },
      tail: [],
      advisories: [],
      extras: [],
    };
    return makeTarget(deps.assembler, { target, ...empty, before: state }, number);
  });
  return await Promise.all([...made, ...emptied]);
}

/** Its documents as they were, unless that would take packages from hosts with the head's layers. */
async function restoredTarget(
  { deps, request, head, number }: Context,
  target: string,
  at: BaseTarget,
): Promise<NewTarget> {
  const { edit, settings } = request;
  const before = head.targets.get(target)?.state;
  const isLayering = settings.layers === "auto";
  const listing = isLayering ? await restoredListing(deps, before, at.listing) : at.listing;
  if (edit.kind === "restore" && at.state !== undefined && listing === at.listing) {
    const from = { channel: edit.from.channel, target, state: at.state, before };
    return copyTarget(deps.layout, from, number);
  }
  const draft = draftOf(deps.layout, target, { ...at, listing });
  return await makeTarget(deps.assembler, { ...draft, before }, number);
}
