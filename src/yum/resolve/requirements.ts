import { canHold, leavesOf, parseRich } from "../../domain/rich-dependency.ts";
import { formatRelation, isRich, isRpmlib, isVersioned } from "../../domain/rpm-relation.ts";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import type { Answer, Answers } from "./answers.ts";
import { satisfies } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import { nameAll } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { otherWork } from "./universe.ts";

/** A requirement that nothing satisfies, and what comes closest. */
export interface Unsatisfied {
  readonly requirement: RpmRelation;
  readonly others: Answer["others"];
}

/** What the added packages require and nobody provides. */
export async function checkRequirements(
  added: readonly PackageFacts[],
  { answers, hasBase }: { readonly answers: Answers; readonly hasBase: boolean },
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const facts of added) {
    for (const missing of await unsatisfiedOf(facts, facts.requires, answers))
      problems.push(requirementProblem(facts, missing, hasBase));
    await otherWork();
  }
  return problems;
}

/** Source packages require what builds them, not what runs them: nothing of it is judged. */
export async function unsatisfiedOf(
  facts: PackageFacts,
  requires: readonly RpmRelation[],
  answers: Answers,
): Promise<readonly Unsatisfied[]> {
  const { arch } = facts.id;
  if (arch === "src" || arch === "nosrc") return [];
  const missing = new Map<string, Unsatisfied>();
  for (const requirement of requires) {
    if (isRpmlib(requirement)) continue;
    const found = isRich(requirement)
      ? await unsatisfiedRich(facts, requirement, answers)
      : await unsatisfiedPlain(facts, requirement, answers);
    if (found !== undefined) missing.set(formatRelation(requirement), found);
  }
  return [...missing.values()];
}

async function unsatisfiedPlain(
  facts: PackageFacts,
  requirement: RpmRelation,
  answers: Answers,
): Promise<Unsatisfied | undefined> {
  if (satisfies(facts, requirement)) return undefined;
  const { packages, isOpen, others } = await answers.of(requirement);
  return packages.size > 0 || isOpen ? undefined : { requirement, others };
}

/** One that we cannot read is not judged. */
async function unsatisfiedRich(
  facts: PackageFacts,
  requirement: RpmRelation,
  answers: Answers,
): Promise<Unsatisfied | undefined> {
  const rich = parseRich(requirement.name);
  if (rich === undefined) return undefined;
  const found = new Map<RpmRelation, Answer>();
  for (const { relation, needsAll } of leavesOf(rich)) {
    const answer = await answers.of(relation, { all: needsAll });
    const packages = satisfies(facts, relation)
      ? new Set([...answer.packages, facts.nevra])
      : answer.packages;
    found.set(relation, { ...answer, packages });
  }
  const providersOf = (leaf: RpmRelation): Answer => found.get(leaf) ?? NOBODY;
  if (canHold(rich, { providersOf, self: facts.nevra })) return undefined;
  return { requirement, others: [...found.values()].flatMap(({ others }) => others) };
}

const NOBODY: Answer = { packages: new Set(), isOpen: false, others: [] };

function requirementProblem(
  { nevra }: PackageFacts,
  { requirement, others }: Unsatisfied,
  hasBase: boolean,
): Problem {
  const wanted = formatRelation(requirement);
  const where = hasBase ? "the channel or its base repositories" : "the channel";
  const instead =
    others.length > 0
      ? `the channel has ${nameAll(others)}`
      : `nothing in ${where} ${isRich(requirement) ? "satisfies" : "provides"} it`;
  return {
    code: "REQUIRES_UNSATISFIED",
    nevra,
    message: `${nevra} requires ${wanted}; ${instead}.`,
    hint: `Publish ${packageWanted(requirement)} first, publish both from one push, or ${isVersioned(requirement) ? "lower" : "change"} the requirement in the spec file.`,
  };
}

function packageWanted(requirement: RpmRelation): string {
  if (isRich(requirement)) return "what satisfies it";
  if (requirement.name.startsWith("/")) return `a package with ${requirement.name}`;
  return formatRelation(requirement);
}
