import { leavesOf, parseRich } from "../../domain/rich-dependency.ts";
import { formatRelation, isRich } from "../../domain/rpm-relation.ts";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import type { Answers } from "./answers.ts";
import { inBatches } from "./listed-packages.ts";
import type { ListedEntry } from "./listed-packages.ts";
import { nameKey } from "./name-key.ts";
import { satisfies } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import type { Problem } from "./problem.ts";
import { unsatisfiedOf } from "./requirements.ts";
import type { Section } from "./segment-index.ts";
import { findAll, otherWork } from "./universe.ts";
import type { Universe } from "./universe.ts";

/** Headers read to see whom a removal hits; whoever is beyond it is not judged. */
const REQUIRERS_MAX = 4_096;
/** A name → the removed packages that have it. */
type RemovedNames = ReadonlyMap<string, readonly PackageFacts[]>;

/** Packages that stay and require what only removed packages provide. */
export async function checkRemovals(
  removed: readonly PackageFacts[],
  { universe, answers }: { readonly universe: Universe; readonly answers: Answers },
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const names = namesOf(removed, universe);
  const requirers = await requirersOf(names, universe, answers);
  for (let at = 0; at < requirers.length; at += 64) {
    const part = requirers.slice(at, at + 64);
    const facts = await inBatches(part, (each) => universe.facts(each));
    for (const each of facts)
      if (each !== undefined) problems.push(...(await lostBy(each, names, answers)));
    await otherWork();
  }
  return problems;
}

async function requirersOf(
  removed: RemovedNames,
  universe: Universe,
  answers: Answers,
): Promise<readonly ListedEntry[]> {
  const found = new Map<string, ListedEntry>();
  for (const name of removed.keys()) {
    if (found.size >= REQUIRERS_MAX) break;
    const isPath = name.startsWith("/");
    const { packages } = await answers.of({ name, flags: 0, evr: "" });
    const anyVersion = isPath ? "requiresPath" : "requires";
    const sections: Section[] = packages.size > 0 ? [] : [anyVersion];
    if (!isPath) sections.push("requiresVersion");
    for (const section of sections)
      for (const entry of await findAll(universe, section, name, REQUIRERS_MAX))
        if (!universe.isAdded(entry)) found.set(entry.listed.nevra, entry);
  }
  return [...found.values()].slice(0, REQUIRERS_MAX);
}

/** What the packages provide, and of their files those that any package requires. */
function namesOf(removed: readonly PackageFacts[], universe: Universe): RemovedNames {
  const required = universe.requiredPaths();
  const names = new Map<string, PackageFacts[]>();
  for (const facts of removed) {
    const paths = [...facts.files.keys()].filter((path) => required.has(nameKey(path)));
    for (const name of new Set([...facts.provides.map(({ name }) => name), ...paths])) {
      const known = names.get(name);
      if (known === undefined) names.set(name, [facts]);
      else known.push(facts);
    }
  }
  return names;
}

async function lostBy(
  facts: PackageFacts,
  removed: RemovedNames,
  answers: Answers,
): Promise<readonly Problem[]> {
  const providersOf = (requirement: RpmRelation): readonly PackageFacts[] =>
    plainPartsOf(requirement).flatMap((part) =>
      (removed.get(part.name) ?? []).filter((each) => satisfies(each, part)),
    );
  const touched = facts.requires.filter((each) => providersOf(each).length > 0);
  const lost = await unsatisfiedOf(facts, touched, answers);
  return lost.map(({ requirement }) =>
    removalProblem(facts, requirement, providersOf(requirement)),
  );
}

function plainPartsOf(requirement: RpmRelation): readonly RpmRelation[] {
  if (!isRich(requirement)) return [requirement];
  const rich = parseRich(requirement.name);
  return rich === undefined ? [] : leavesOf(rich).map(({ relation }) => relation);
}

function removalProblem(
  { nevra, id }: PackageFacts,
  requirement: RpmRelation,
  gone: readonly PackageFacts[],
): Problem {
  const providers = gone.map((each) => each.nevra);
  const named = providers.length > 1 ? `${providers[0]} and others` : providers[0];
  return {
    code: "REQUIRES_UNSATISFIED",
    nevra,
    message: `${nevra} requires ${formatRelation(requirement)}, which only ${named} provided, and that is being removed.`,
    hint: `Keep it, remove ${id.name} too, or publish another version of it that does without.`,
  };
}
