import { isLayer, siblingOf } from "./names.ts";

/**
 * Targets whose names differ in release and architecture only, so that one `.repo` file fits all of
 * a distribution's releases: `el8.x86_64`, `el9.aarch64` → `el$releasever.$basearch`.
 */
export interface Family {
  /** As `?family=` names it: `el`, `fedora`, `el-debug`. */
  readonly name: string;
  /** For an address in a `.repo` file, with dnf's variables. */
  readonly pattern: string;
  readonly targets: readonly string[];
}

const RELEASED = /^([a-z][a-z-]*?)(-?)(\d+)\.([a-z0-9_]+)(-source|-debug)?$/;

/** Sorted by name. Targets whose names have no release belong to none. */
export function familiesOf(targets: readonly string[]): readonly Family[] {
  const families = new Map<string, Family>();
  for (const target of targets.filter((each) => !isLayer(each))) {
    const [, dist, dash] = RELEASED.exec(target) ?? [];
    if (dist === undefined) continue;
    const sibling = siblingOf(target);
    const pattern = `${dist}${dash}$releasever.$basearch${sibling}`;
    const name = `${dist}${sibling}`;
    const known = families.get(name)?.targets ?? [];
    families.set(name, { name, pattern, targets: [...known, target] });
  }
  return [...families.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
