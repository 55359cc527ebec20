import type { YumLayout } from "../yum/layout.ts";
import { readSegment } from "../yum/target-state.ts";
import type { ListedPackage, TargetState } from "../yum/target-state.ts";

/** All packages that one state of a target lists. */
export async function listedPackages(
  layout: YumLayout,
  { segments, tail }: Pick<TargetState, "segments" | "tail">,
): Promise<readonly ListedPackage[]> {
  const sealed: ListedPackage[] = [];
  for (const { id } of segments) sealed.push(...(await readSegment(layout, id)).packages);
  return [...sealed, ...tail];
}
