import type { BaseRepositories } from "../base-repositories/base-repositories.ts";
import type { YumLayout } from "../layout.ts";
import type { ListedPackage, TargetState } from "../target-state.ts";
import { NAME_SECTIONS, PATH_SECTIONS, answersFrom } from "./answers.ts";
import { checkFileConflicts } from "./file-conflicts.ts";
import { listedPackages } from "./listed-packages.ts";
import type { ListedPackages } from "./listed-packages.ts";
import { checkOwnConflicts } from "./own-conflicts.ts";
import { hasName } from "./package-facts.ts";
import type { PackageFacts } from "./package-facts.ts";
import { bounded } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { checkRemovals } from "./removals.ts";
import { checkRequirements } from "./requirements.ts";
import { openUniverse } from "./universe.ts";
import type { AddedPackage, Universe } from "./universe.ts";

export type { Problem } from "./problem.ts";
export type { AddedPackage } from "./universe.ts";

/** A change of one target, to be judged before it is made. */
export interface ResolveRequest {
  readonly target: string;
  /** Undefined: the target is new. */
  readonly state: TargetState | undefined;
  readonly add: readonly AddedPackage[];
  /** NEVRAs. */
  readonly remove: readonly string[];
  /** Undefined: what nobody in the channel provides is left to the distribution. */
  readonly base: BaseRepositories | undefined;
}

/**
 * Tells what would not install. Reads segment indexes and the headers of the few packages that a
 * change touches, never all of a channel; what it cannot find out it does not refuse.
 */
export interface Resolver {
  /** Reads the indexes that a check will ask, while nobody waits for them. */
  warm(state: TargetState): Promise<void>;
  /** All problems, at most 50 and a count of the rest. */
  check(request: ResolveRequest): Promise<readonly Problem[]>;
  /** All packages, oldest first. */
  list(state: TargetState): Promise<readonly ListedPackage[]>;
  /**
   * Newest first, at most `max` (1,000 unless told); each costs the reading of a header. A name with
   * a slash at its start is a path.
   */
  whoProvides(state: TargetState, name: string, max?: number): Promise<readonly ListedPackage[]>;
}

const PROVIDERS_MAX = 1_000;

export function openResolver(layout: YumLayout): Resolver {
  const packages = listedPackages(layout);
  return {
    warm: async (state) => void (await packages.groups(state)),
    check: (request) => check(packages, request),
    list: (state) => list(packages, state),
    whoProvides: (state, name, max = PROVIDERS_MAX) => whoProvides(packages, state, { name, max }),
  };
}

async function check(
  packages: ListedPackages,
  { state, add, remove, base }: ResolveRequest,
): Promise<readonly Problem[]> {
  const universe = await openUniverse(packages, { state, add, remove });
  const removed = await removedFacts(universe, remove);
  const answers = answersFrom(universe, { base, ownNames: namesOf(removed) });
  return bounded([
    ...(await checkRequirements(universe.added, { answers, hasBase: base !== undefined })),
    ...(await checkOwnConflicts(universe, answers)),
    ...(await checkRemovals(removed, { universe, answers })),
    ...(await checkFileConflicts(universe)),
  ]);
}

async function removedFacts(
  universe: Universe,
  remove: readonly string[],
): Promise<readonly PackageFacts[]> {
  const facts: PackageFacts[] = [];
  for (const nevra of remove) {
    const found = await universe.removed(nevra);
    if (found !== undefined) facts.push(found);
  }
  return facts;
}

function namesOf(removed: readonly PackageFacts[]): ReadonlySet<string> {
  return new Set(
    removed.flatMap(({ provides, files }) => [
      ...provides.map(({ name }) => name),
      ...files.keys(),
    ]),
  );
}

async function list(
  packages: ListedPackages,
  { segments, tail }: TargetState,
): Promise<readonly ListedPackage[]> {
  const sealed: ListedPackage[] = [];
  for (const { id } of segments)
    for (const { listed } of await packages.listing(id)) sealed.push(listed);
  return [...sealed, ...tail];
}

async function whoProvides(
  packages: ListedPackages,
  state: TargetState,
  { name, max }: { readonly name: string; readonly max: number },
): Promise<readonly ListedPackage[]> {
  const universe = await openUniverse(packages, { state, add: [], remove: [] });
  const sections = name.startsWith("/") ? PATH_SECTIONS : NAME_SECTIONS;
  const found = new Map<string, ListedPackage>();
  for (const section of sections)
    for await (const part of universe.find(section, name))
      for (const entry of part) {
        if (found.size >= max) return [...found.values()];
        const facts = await universe.facts(entry);
        if (facts !== undefined && hasName(facts, name))
          found.set(entry.listed.nevra, entry.listed);
      }
  return [...found.values()];
}
