import type { Nevra } from "../../domain/nevra.ts";
import type { Providers } from "../../domain/rich-dependency.ts";
import { rangesMeet } from "../../domain/rpm-relation.ts";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import type { BaseRepositories } from "../base-repositories/base-repositories.ts";
import type { ListedEntry } from "./listed-packages.ts";
import { ownEvr } from "./listed-name.ts";
import { hasName, satisfies } from "./package-facts.ts";
import type { Section } from "./segment-index.ts";
import type { Universe } from "./universe.ts";

/** Who satisfies a relation. */
export interface Answer extends Providers {
  /** Packages that have the name in a version that does not do. */
  readonly others: readonly Nevra[];
}

export interface Answers {
  /** `all`: every package that satisfies it, not only the first. Each question is looked up once. */
  of(relation: RpmRelation, options?: { readonly all: boolean }): Promise<Answer>;
}

/** Headers read for one question. Beyond it the answer stays open, which refuses nobody. */
const READS_MAX = 256;
/** Of packages with that very name in another version: their own version has been seen already. */
const NAMESAKES_MAX = 16;
const READS_AT_ONCE = 8;
const EQUAL = 8;

/**
 * `ownNames` are names that the channel had itself, so that they are not left to the distribution
 * when nobody has them any more. Without declared base repositories a name that nobody in the
 * channel has belongs to the distribution.
 */
export function answersFrom(
  universe: Universe,
  {
    base,
    ownNames,
  }: { readonly base: BaseRepositories | undefined; readonly ownNames: ReadonlySet<string> },
): Answers {
  const known = new Map<string, Promise<Answer>>();
  return {
    of(relation, { all } = { all: false }) {
      const key = [all, relation.flags, relation.evr, relation.name].join(" ");
      const answer = known.get(key) ?? find(relation, all);
      known.set(key, answer);
      return answer;
    },
  };

  async function find(relation: RpmRelation, all: boolean): Promise<Answer> {
    const packages = new Set<string>();
    const others: Nevra[] = [];
    const sections = relation.name.startsWith("/") ? PATH_SECTIONS : NAME_SECTIONS;
    let isOpen = false;
    for (const section of sections) {
      const search = await searchSection(universe, section, { relation, all });
      for (const { listed } of search.satisfying) packages.add(listed.nevra);
      for (const { id } of search.others) if (id !== undefined) others.push(id);
      isOpen ||= search.isOpen;
      if (packages.size > 0 && !all) break;
    }
    if (base !== undefined && (packages.size === 0 || all))
      for (const key of await base.providersOf(relation, READS_MAX)) packages.add(key);
    const isForeign = packages.size === 0 && others.length === 0 && !ownNames.has(relation.name);
    return { packages, others, isOpen: isOpen || (base === undefined && isForeign) };
  }
}

/** Where to look for a name, and for a path. */
export const NAME_SECTIONS = ["provides"] as const;
export const PATH_SECTIONS = ["provides", "files", "directories"] as const;

interface SectionSearch {
  readonly satisfying: ListedEntry[];
  /** They have the name in another version. */
  readonly others: ListedEntry[];
  /** Somebody who was not read may satisfy it. */
  isOpen: boolean;
}

async function searchSection(
  universe: Universe,
  section: Section,
  { relation, all }: { readonly relation: RpmRelation; readonly all: boolean },
): Promise<SectionSearch> {
  const search: SectionSearch = { satisfying: [], others: [], isOpen: false };
  const isEnough = (): boolean => search.satisfying.length > 0 && !all;
  const namesakes: ListedEntry[] = [];
  let readsLeft = READS_MAX;
  for await (const part of universe.find(section, relation.name)) {
    const foreign: ListedEntry[] = [];
    for (const entry of part) {
      if (entry.id?.name !== relation.name) foreign.push(entry);
      else if (rangesMeet({ flags: EQUAL, evr: ownEvr(entry.id) }, relation))
        search.satisfying.push(entry);
      else namesakes.push(entry);
      if (isEnough()) return search;
    }
    await readSome(foreign.slice(0, readsLeft), relation, search, { universe, isEnough });
    search.isOpen ||= foreign.length > readsLeft;
    readsLeft = Math.max(0, readsLeft - foreign.length);
    if (isEnough()) return search;
  }
  // A package may provide its own name in a second version.
  await readSome(namesakes.slice(0, NAMESAKES_MAX), relation, search, { universe, isEnough });
  search.others.push(...namesakes.slice(NAMESAKES_MAX));
  return search;
}

async function readSome(
  entries: readonly ListedEntry[],
  relation: RpmRelation,
  search: SectionSearch,
  { universe, isEnough }: { readonly universe: Universe; isEnough(): boolean },
): Promise<void> {
  for (let at = 0; at < entries.length && !isEnough(); at += READS_AT_ONCE) {
    const part = entries.slice(at, at + READS_AT_ONCE);
    const facts = await Promise.all(part.map((entry) => universe.facts(entry)));
    part.forEach((entry, index) => {
      const found = facts[index];
      if (found === undefined) search.isOpen = true;
      else if (satisfies(found, relation)) search.satisfying.push(entry);
      else if (hasName(found, relation.name)) search.others.push(entry);
    });
  }
}
