import type { YumLayout } from "../../yum/layout.ts";
import { readSegment, viewOf } from "../../yum/target-state.ts";
import type { ListedPackage } from "../../yum/target-state.ts";
import { boundedCache } from "./bounded-cache.ts";
import type { Generations, Place } from "./generations.ts";

/** Names of the packages that a target lists, for `includepkgs=`. */
export interface PackageNames {
  /** Sorted; undefined when there are too many of them for a `.repo` file. */
  of(places: readonly Place[]): Promise<readonly string[] | undefined>;
}

const NAMES_MAX = 1_000;
const KEPT_NAMES_MAX = 200_000;

export function openPackageNames(layout: YumLayout, generations: Generations): PackageNames {
  const bySegment = boundedCache<readonly string[]>({
    weightMax: KEPT_NAMES_MAX,
    weigh: (names) => names.length + 1,
  });
  const ofSegment = (id: string): Promise<readonly string[]> =>
    bySegment.get(id, async () => namesOf((await readSegment(layout, id)).packages));

  return {
    of: async (places) => {
      const names = new Set<string>();
      for (const place of places) {
        const whole = { ...place, served: viewOf(place.served).target };
        const state = (await generations.repodata(whole))?.segmented?.state;
        for (const name of namesOf(state?.tail ?? [])) names.add(name);
        // One after another: a segment takes milliseconds to parse, and others wait meanwhile.
        for (const { id } of state?.segments ?? []) {
          for (const name of await ofSegment(id)) names.add(name);
          if (names.size > NAMES_MAX) return undefined;
        }
      }
      return [...names].toSorted();
    },
  };
}

function namesOf(packages: readonly ListedPackage[]): readonly string[] {
  // Neither version nor release has a dash in it.
  return [...new Set(packages.map(({ nevra }) => nevra.replace(/-[^-]*-[^-]*$/, "")))];
}
