import { formatRelation, isRich } from "../../domain/rpm-relation.ts";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import type { Answers } from "./answers.ts";
import { satisfies } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import type { Problem } from "./problem.ts";
import { findAll } from "./universe.ts";
import type { Universe } from "./universe.ts";

/**
 * Added packages that cannot stand what they need. Other conflicts are no problem: packages may be
 * alternatives of each other.
 */
export async function checkOwnConflicts(
  universe: Universe,
  answers: Answers,
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const facts of universe.added)
    for (const other of await conflictingWith(facts, universe))
      for (const [one, needed] of [
        [facts, other],
        [other, facts],
      ] as const) {
        const need = await neededFrom(one, needed, answers);
        if (need !== undefined) problems.push(conflictProblem(one, needed, need));
      }
  return problems;
}

/** rpm ignores a conflict of a package with itself. */
async function conflictingWith(
  facts: PackageFacts,
  universe: Universe,
): Promise<ReadonlySet<PackageFacts>> {
  const found = new Set<PackageFacts>();
  for (const relation of facts.conflicts) {
    if (isRich(relation)) continue;
    for (const entry of await findAll(universe, "provides", relation.name)) {
      const other = universe.isAdded(entry) ? await universe.facts(entry) : undefined;
      if (other !== undefined && other.id.name !== facts.id.name && satisfies(other, relation))
        found.add(other);
    }
  }
  return found;
}

/** The requirement that only that package satisfies. */
async function neededFrom(
  facts: PackageFacts,
  other: PackageFacts,
  answers: Answers,
): Promise<RpmRelation | undefined> {
  for (const requirement of facts.requires) {
    if (isRich(requirement) || !satisfies(other, requirement)) continue;
    if (satisfies(facts, requirement)) continue;
    const { packages, isOpen } = await answers.of(requirement, { all: true });
    if (!isOpen && packages.size === 1 && packages.has(other.nevra)) return requirement;
  }
  return undefined;
}

function conflictProblem(a: PackageFacts, b: PackageFacts, needed: RpmRelation): Problem {
  return {
    code: "REQUIRES_UNSATISFIED",
    nevra: a.nevra,
    message: `${a.nevra} requires ${formatRelation(needed)}, which only ${b.nevra} provides, and the two conflict.`,
    hint: "Take the conflict or the requirement out of the spec file, or give the conflict a version.",
  };
}
