import { compareEvr } from "../../domain/rpm-version.ts";
import { isRich } from "../../domain/rpm-relation.ts";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import type { RpmFileEntry } from "../rpm/rpm-package.ts";
import type { ListedEntry } from "./listed-packages.ts";
import { satisfies } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import type { Problem } from "./problem.ts";
import { otherWork } from "./universe.ts";
import type { Universe } from "./universe.ts";

/** Other packages that are read for one path; whoever is beyond it is not judged. */
const OWNERS_MAX = 16;
const PATHS_BETWEEN_PAUSES = 256;

/**
 * Files of added packages that another package of the target installs differently, so that a host
 * cannot have both. Each name counts with its newest version only: hosts get that one.
 */
export async function checkFileConflicts(universe: Universe): Promise<readonly Problem[]> {
  const newest = newestOfName(universe);
  const problems: Problem[] = [];
  const reported = new Set<string>();
  for (const facts of universe.added) {
    if (!(await newest(facts.id))) continue;
    for (const [other, paths] of await clashesOf(facts, universe, newest)) {
      const pair = [facts.nevra, other.nevra].toSorted().join(" ");
      if (!reported.has(pair)) problems.push(conflictProblem(facts, other, paths));
      reported.add(pair);
    }
    await otherWork();
  }
  return problems;
}

type IsNewest = (id: PackageFacts["id"]) => Promise<boolean>;

function newestOfName(universe: Universe): IsNewest {
  const known = new Map<string, Promise<PackageFacts["id"] | undefined>>();
  const find = async ({ name, arch }: PackageFacts["id"]) => {
    let best: PackageFacts["id"] | undefined;
    for await (const part of universe.find("provides", name))
      for (const { id } of part)
        if (id?.name === name && id.arch === arch)
          if (best === undefined || compareEvr(id, best) > 0) best = id;
    return best;
  };
  return async (id) => {
    const key = `${id.name}.${id.arch}`;
    const best = known.get(key) ?? find(id);
    known.set(key, best);
    const found = await best;
    return found === undefined || compareEvr(id, found) >= 0;
  };
}

async function clashesOf(
  facts: PackageFacts,
  universe: Universe,
  newest: IsNewest,
): Promise<ReadonlyMap<PackageFacts, readonly string[]>> {
  const clashes = new Map<PackageFacts, string[]>();
  let seen = 0;
  for (const [path, file] of facts.files) {
    if (seen++ % PATHS_BETWEEN_PAUSES === 0) await otherWork();
    if (file.kind === "ghost") continue;
    for (const entry of await otherOwners(facts, path, { universe, newest })) {
      const other = await universe.facts(entry);
      const theirs = other?.files.get(path);
      if (other === undefined || theirs === undefined || !differ(file, theirs)) continue;
      if (excludes(facts, other) || excludes(other, facts)) continue;
      clashes.set(other, [...(clashes.get(other) ?? []), path]);
    }
  }
  return clashes;
}

/** Packages of other names that a host of the same architecture may have beside it. */
async function otherOwners(
  { id }: PackageFacts,
  path: string,
  { universe, newest }: { readonly universe: Universe; readonly newest: IsNewest },
): Promise<readonly ListedEntry[]> {
  const owners: ListedEntry[] = [];
  for (const section of ["files", "directories"] as const)
    for await (const part of universe.find(section, path))
      for (const entry of part) {
        const other = entry.id;
        if (other === undefined || other.name === id.name) continue;
        if (!isBeside(id.arch, other.arch) || !(await newest(other))) continue;
        owners.push(entry);
        if (owners.length === OWNERS_MAX) return owners;
      }
  return owners;
}

function isBeside(one: string, other: string): boolean {
  return one === other || one === "noarch" || other === "noarch";
}

const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;

/** As rpm compares them (`rpmfilesCompare`). */
function differ(a: RpmFileEntry, b: RpmFileEntry): boolean {
  if (a.kind === "ghost" || b.kind === "ghost") return false;
  if ((a.mode & TYPE_MASK) === SYMLINK && (b.mode & TYPE_MASK) === SYMLINK)
    return a.linkTarget !== b.linkTarget;
  return a.mode !== b.mode || a.digest !== b.digest || a.user !== b.user || a.group !== b.group;
}

/** Whoever conflicts with another package, or replaces it, is never installed beside it. */
function excludes(a: PackageFacts, b: PackageFacts): boolean {
  const isNamed = (relation: RpmRelation): boolean => !isRich(relation) && satisfies(b, relation);
  return a.conflicts.some(isNamed) || a.obsoletes.some(isNamed);
}

function conflictProblem(
  { nevra, id }: PackageFacts,
  other: PackageFacts,
  paths: readonly string[],
): Problem {
  const [path] = paths;
  const rest = paths.length - 1;
  const more = rest === 0 ? "" : ` and ${rest} more ${rest === 1 ? "path" : "paths"}`;
  return {
    code: "FILE_CONFLICT",
    nevra,
    message: `${nevra} and ${other.nevra} both install ${path}${more}, and differ in it.`,
    hint: `Leave it to one of them, install it elsewhere, or let ${id.name} say Conflicts: ${other.id.name}.`,
  };
}
