import { join } from "node:path";
import type { DocumentName, YumLayout } from "./layout.ts";
import {
  endsFile,
  memberFile,
  readGeneration,
  readTargetState,
  segmentsOf,
  viewOf,
} from "./target-state.ts";
import type { SegmentRef, TargetState, View } from "./target-state.ts";

/** A target as it is served in one generation; `target` may be a layer's name. */
export interface ServedPlace {
  readonly channel: string;
  readonly number: number;
  readonly target: string;
}

export interface ServedView {
  readonly state: TargetState;
  readonly view: View;
  /** What it is made of. */
  readonly segments: readonly SegmentRef[];
  readonly tail: TargetState["tail"];
  readonly extras: TargetState["extras"];
  /** Has `repomd.xml`, its signature and the documents' ends. */
  readonly repodata: string;
}

/** Undefined if the generation does not have it. Throws what `readGeneration` throws. */
export async function readServedView(
  layout: YumLayout,
  { channel, number, target: served }: ServedPlace,
): Promise<ServedView | undefined> {
  const { target, view: name } = viewOf(served);
  const { targets } = await readGeneration(layout, channel, number);
  const made = targets[target];
  if (made === undefined) return undefined;
  const state = await readTargetState(layout, { channel, number: made, target });
  const view = state.views[name];
  if (view === null) return undefined;
  return {
    state,
    view,
    segments: segmentsOf(state, name),
    tail: name === "base" ? [] : state.tail,
    // A frozen base says nothing that changes.
    extras: name === "base" ? [] : state.extras,
    repodata: join(layout.served(channel, view.since, served), "repodata"),
  };
}

/** A run of bytes in a file. */
export interface FilePart {
  readonly path: string;
  readonly start: number;
  readonly bytes: number;
}

/** Where a document's bytes are, in their order. */
export function documentParts(
  layout: YumLayout,
  { state, view, segments, repodata }: Pick<ServedView, "state" | "view" | "segments" | "repodata">,
  document: DocumentName,
): readonly FilePart[] {
  const { headBytes, endBytes } = view.documents[document];
  const ends = join(repodata, endsFile(document));
  const file = memberFile(document, state.compression);
  return [
    { path: ends, start: 0, bytes: headBytes },
    ...segments.map(({ id, members }) => {
      return { path: join(layout.segment(id), file), start: 0, bytes: members[document].bytes };
    }),
    { path: ends, start: headBytes, bytes: endBytes },
  ];
}
