import { isTargetName } from "./channel.ts";
import { UserFault } from "./faults.ts";
import type { PackageStep, Project } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";

/** A target and the packages of the project that are built for it. */
export interface ProjectTarget {
  readonly target: string;
  readonly packages: readonly TargetPackage[];
}

export interface TargetPackage {
  readonly made: PackageStep;
  readonly isTargetFixed: boolean;
  readonly isNoarch: boolean;
}

/** In the order of the file; without a package there is one, the server's default. */
export function targetsOf(project: Project, facts: PlanFacts): readonly ProjectTarget[] {
  const targets = new Map<string, TargetPackage[]>();
  for (const made of project.packages) {
    for (const { target, ...how } of placesOf(made, facts)) {
      const packages = targets.get(target) ?? [];
      // `for: [el9, el9.x86_64]` says the same twice.
      if (!packages.some((known) => known.made === made)) packages.push({ made, ...how });
      targets.set(target, packages);
    }
  }
  if (targets.size === 0) return [{ target: facts.defaultTarget, packages: [] }];
  return [...targets].map(([target, packages]) => ({ target, packages }));
}

function placesOf(made: PackageStep, facts: PlanFacts) {
  const isTargetFixed = made.for !== null;
  const distributions = made.for ?? [distributionOf(facts.defaultTarget)];
  return distributions.flatMap((wanted) => {
    if (wanted.includes(".")) {
      return [{ target: known(wanted, facts), isTargetFixed, isNoarch: false }];
    }
    return archesOf(made, facts).map(({ arch, isNoarch }) => {
      const target = known(`${wanted}.${arch}`, facts);
      return { target, isTargetFixed, isNoarch };
    });
  });
}

/** What the file leaves to the server is the server's own architecture, as a noarch package is. */
function archesOf({ arch, for: distributions }: PackageStep, { defaultTarget }: PlanFacts) {
  const own = archOf(defaultTarget);
  const isDefault = distributions === null && arch.length === 1 && arch[0] === "x86_64";
  if (isDefault) return [{ arch: own, isNoarch: false }];
  return arch.map((name) => ({
    arch: name === "noarch" ? own : name,
    isNoarch: name === "noarch",
  }));
}

function known(target: string, { targets, defaultTarget }: PlanFacts): string {
  if (target === defaultTarget || (targets.includes(target) && isTargetName(target))) return target;
  throw new UserFault("TARGET_UNKNOWN", `this server has no target "${target}"`, {
    hint: `targets: ${[...new Set([defaultTarget, ...targets])].join(", ")}`,
  });
}

export function distributionOf(target: string): string {
  return target.split(".")[0] ?? target;
}

export function archOf(target: string): string {
  return target.split(".")[1] ?? "x86_64";
}
