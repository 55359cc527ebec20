import type { RpmPackage } from "../rpm/rpm-package.ts";
import type { ListedPackage, TargetState } from "../target-state.ts";
import { entriesOf, indexOfPackages } from "./listed-packages.ts";
import type { ListedEntry, ListedPackages, PackageGroup } from "./listed-packages.ts";
import { parseNevra } from "./listed-name.ts";
import { nameKey } from "./name-key.ts";
import { factsOf } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import type { Section } from "./segment-index.ts";

export interface AddedPackage {
  readonly listed: ListedPackage;
  readonly rpm: RpmPackage;
}

/** The packages of a target as a change leaves it. */
export interface Universe {
  readonly added: readonly PackageFacts[];
  /**
   * Who may have the name, newest first, a part at a time; only their facts tell whether they do.
   * Whoever has seen enough stops, for a name may be that of all packages.
   */
  find(section: Section, name: string): AsyncIterable<readonly ListedEntry[]>;
  isAdded(entry: ListedEntry): boolean;
  /** Undefined if the pooled file is gone or cannot be read. */
  facts(entry: ListedEntry): Promise<PackageFacts | undefined>;
  /** A package that the change removes; undefined if it is not listed or cannot be read. */
  removed(nevra: string): Promise<PackageFacts | undefined>;
  /** Keys of the paths that packages require. */
  requiredPaths(): ReadonlySet<number>;
}

/** Packages per index of what is added, so that making them never takes long. */
const ADDED_PER_GROUP = 128;

export async function openUniverse(
  packages: ListedPackages,
  change: {
    readonly state: TargetState | undefined;
    readonly add: readonly AddedPackage[];
    readonly remove: readonly string[];
  },
): Promise<Universe> {
  const listedGroups = change.state === undefined ? [] : await packages.groups(change.state);
  const addedGroups = await groupsOf(change.add);
  const added = new Map(change.add.map(({ listed, rpm }) => [listed.nevra, factsOf(rpm)]));
  const hidden = new Set([...change.remove, ...added.keys()]);
  return {
    added: [...added.values()],
    async *find(section, name) {
      const key = nameKey(name);
      yield* search(addedGroups, section, key);
      for await (const part of search(listedGroups, section, key)) {
        const shown = part.filter(({ listed }) => !hidden.has(listed.nevra));
        if (shown.length > 0) yield shown;
      }
    },
    isAdded: ({ listed }) => added.has(listed.nevra),
    facts: ({ listed }) =>
      added.has(listed.nevra) ? Promise.resolve(added.get(listed.nevra)) : packages.facts(listed),
    async removed(nevra) {
      const name = parseNevra(nevra)?.name;
      if (name === undefined) return undefined;
      for await (const part of search(listedGroups, "provides", nameKey(name))) {
        const found = part.find(({ listed }) => listed.nevra === nevra);
        if (found !== undefined) return await packages.facts(found.listed);
      }
      return undefined;
    },
    requiredPaths() {
      const keys = listedGroups.flatMap(({ index }) => [...index.keys("requiresPath")]);
      return new Set(keys);
    },
  };
}

/** All of them, newest first, at most `max`. */
export async function findAll(
  universe: Universe,
  section: Section,
  name: string,
  max = 100_000,
): Promise<readonly ListedEntry[]> {
  const found: ListedEntry[] = [];
  for await (const part of universe.find(section, name)) {
    found.push(...part);
    if (found.length >= max) break;
  }
  return found.slice(0, max);
}

async function* search(
  groups: readonly PackageGroup[],
  section: Section,
  key: number,
): AsyncIterable<readonly ListedEntry[]> {
  for (const group of groups) {
    const ordinals = group.index.find(section, key);
    if (ordinals.length === 0) continue;
    const entries = await group.entries();
    const found = ordinals.flatMap((ordinal) => entries[ordinal] ?? []);
    yield found.toReversed();
  }
}

async function groupsOf(add: readonly AddedPackage[]): Promise<readonly PackageGroup[]> {
  const groups: PackageGroup[] = [];
  for (let at = 0; at < add.length; at += ADDED_PER_GROUP) {
    const part = add.slice(at, at + ADDED_PER_GROUP);
    const entries = entriesOf(part.map(({ listed }) => listed));
    const index = indexOfPackages(part.map(({ rpm }) => rpm));
    groups.push({ index, entries: () => Promise.resolve(entries) });
    await otherWork();
  }
  return groups;
}

/** Lets everything else that waits have its turn. */
export function otherWork(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
