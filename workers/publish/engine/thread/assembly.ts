import { yumLayout } from "../../../../src/yum/layout.ts";
import type { AssemblyCalls, ThreadData, ViewParts } from "../assembly-calls.ts";
import { assembleView, documentEnds } from "./assemble-view.ts";
import { joinSegments } from "./join-segments.ts";
import { openNevraIndex } from "./nevra-index.ts";
import { openPackageTexts } from "./package-texts.ts";
import { openPrefixStates } from "./prefix-states.ts";
import { openPreparation } from "./preparation.ts";
import { rebuildSegments } from "./rebuild-segments.ts";
import { sealPackages } from "./seal-packages.ts";
import { openTurns } from "./turns.ts";

/** The thread's side of the calls; see `AssemblyCalls`. */
export function openAssembly({ yumDir }: ThreadData): AssemblyCalls {
  const layout = yumLayout(yumDir);
  const texts = openPackageTexts();
  const states = openPrefixStates();
  const nevras = openNevraIndex(layout);
  const turns = openTurns();
  const preparation = openPreparation({ layout, states, turns });
  const makers = { layout, texts, nevras, turns };

  return {
    assemble: ({ compression, tail, views }) =>
      turns.urgent(async () => {
        const [full, empty] = await Promise.all([
          texts.of(tail).then((read) => documentEnds(compression, read)),
          documentEnds(compression, []),
        ]);
        return await Promise.all(
          views.map((view) => {
            const ends = view.hasTail ? full : empty;
            const packages = countOf(view, tail.length);
            const parts = { compression, segments: view.segments, ends, packages };
            return assembleView(layout, states, parts);
          }),
        );
      }),
    seal: (request) => turns.urgent(() => sealPackages(makers, request)),
    join: (request) =>
      request.isIdle
        ? joinSegments(makers, request)
        : turns.urgent(() => joinSegments(makers, request)),
    rebuild: (request) => rebuildSegments(makers, request),
    find: ({ segments, nevras: wanted }) => turns.urgent(() => nevras.find(segments, wanted)),
    prepare: async (wanted) => {
      preparation.want(wanted);
      for (const { id } of wanted.segments) {
        await turns.idle();
        // Swept meanwhile: then nobody will ask for it.
        await nevras.load(id).catch(() => undefined);
      }
      const tail = wanted.tail.map((each) => ({ ...each, path: layout.package(each) }));
      await texts.of(tail).catch(() => undefined);
    },
    settled: () => preparation.settled(),
  };
}

function countOf({ segments, hasTail }: ViewParts, tail: number): number {
  const inSegments = segments.reduce((sum, { packages }) => sum + packages, 0);
  return inSegments + (hasTail ? tail : 0);
}
