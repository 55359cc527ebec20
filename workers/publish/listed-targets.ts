import { mainTargetOf } from "../../src/domain/channel.ts";
import type { Nevra } from "../../src/domain/nevra.ts";

/** Suffixes of the targets beside a main one. */
const SOURCE = "-source";
const DEBUG = "-debug";

/**
 * Where a package that was made for `target` is listed. Source and debug packages have sibling
 * targets, so that hosts do not load their metadata. One without an architecture fits every
 * architecture of its distribution: all those in `known` (targets that the build or its channels
 * have, siblings included) list it.
 */
export function listedTargets(
  target: string,
  { name, arch }: Nevra,
  known: Iterable<string>,
): readonly string[] {
  if (arch === "src" || arch === "nosrc") return [`${target}${SOURCE}`];
  const suffix = /-debug(?:info|source)(?:-common)?$/.test(name) ? DEBUG : "";
  if (arch !== "noarch") return [`${target}${suffix}`];
  const alike = [...known].map(mainTargetOf).filter((each) => distOf(each) === distOf(target));
  return [...new Set([target, ...alike])].map((each) => `${each}${suffix}`);
}

function distOf(target: string): string {
  return target.split(".")[0] ?? target;
}
