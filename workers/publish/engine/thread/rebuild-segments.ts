import { readSegment } from "../../../../src/yum/target-state.ts";
import type { ListedPackage, SegmentRef } from "../../../../src/yum/target-state.ts";
import type { AssemblyCalls } from "../assembly-calls.ts";
import { SEGMENT_PACKAGES_MAX, TAIL_PACKAGES_MAX } from "../segment-plan.ts";
import { sealPackages } from "./seal-packages.ts";
import type { SegmentMakers } from "./seal-packages.ts";

/** All packages of these segments and the tail in full segments, from their RPMs in the pool. */
export async function rebuildSegments(
  makers: SegmentMakers,
  { compression, segments: ids, tail: listedTail }: Parameters<AssemblyCalls["rebuild"]>[0],
): Promise<{ readonly segments: readonly SegmentRef[]; readonly tail: readonly ListedPackage[] }> {
  const { layout, turns } = makers;
  const segments: SegmentRef[] = [];
  let waiting: ListedPackage[] = [];
  const sealFull = async (least: number): Promise<void> => {
    while (waiting.length >= least) {
      await turns.idle();
      const packages = waiting.slice(0, SEGMENT_PACKAGES_MAX);
      const sources = packages.map((each) => ({ ...each, path: layout.package(each) }));
      segments.push(await sealPackages(makers, { compression, packages: sources, isAnew: true }));
      waiting = waiting.slice(SEGMENT_PACKAGES_MAX);
    }
  };

  for (const id of ids) {
    waiting.push(...(await readSegment(layout, id)).packages);
    await sealFull(SEGMENT_PACKAGES_MAX);
  }
  waiting.push(...listedTail);
  await sealFull(TAIL_PACKAGES_MAX);
  return { segments, tail: waiting };
}
