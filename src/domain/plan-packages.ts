import type { PlannedPackage } from "./job-spec.ts";
import type { PipelineImage, Project } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";
import type { ImageList } from "./plan-images.ts";
import type { stepIds } from "./plan-matrix.ts";
import { judgeOnly } from "./plan-rules.ts";
import { planImage, planRuns } from "./plan-runs.ts";
import type { ProjectTarget, TargetPackage } from "./plan-targets.ts";
import { filler, gitValues } from "./plan-templates.ts";
import type { PlannedStep } from "./step.ts";

export interface PackagePlan {
  readonly packages: readonly PlannedPackage[];
  readonly steps: readonly PlannedStep[];
}

/** Does a package of this target need the project's image: for `run`, or to find rpmbuild in it? */
export function needsOwnImage({ packages }: ProjectTarget): boolean {
  return packages.some(
    ({ made, isTargetFixed }) => made.run !== null || (made.image === null && !isTargetFixed),
  );
}

export function planPackages(
  project: Project,
  { packages }: ProjectTarget,
  facts: PlanFacts,
  job: { readonly images: ImageList; readonly ids: ReturnType<typeof stepIds> },
): PackagePlan {
  const isOne = project.packages.length === 1;
  const planned = packages.map((one) => {
    const { label } = one.made;
    const id = isOne ? job.ids("package") : job.ids("package", label);
    const skip = judgeOnly(one.made.only, facts, project.name);
    const title = isOne ? "package" : `package ${label}`;
    const step: PlannedStep = { name: id, title, kind: "package", skip };
    return { one, step };
  });
  return {
    steps: planned.map(({ step }) => step),
    packages: planned
      .filter(({ step }) => step.skip === null)
      .map(({ one, step }) => planPackage(one, step, { facts, ...job })),
  };
}

function planPackage(
  { made, isTargetFixed, isNoarch }: TargetPackage,
  step: PlannedStep,
  job: {
    readonly facts: PlanFacts;
    readonly images: ImageList;
    readonly ids: ReturnType<typeof stepIds>;
  },
): PlannedPackage {
  const { facts } = job;
  const { only: _only, for: _for, arch: _arch, image: written, ...rest } = made;
  const fill = filler(gitValues(facts.git));
  const keyOf = (image: PipelineImage): string =>
    job.images.add(planImage(image, facts, fill), {
      id: () => job.ids("image", step.name),
      title: `image ${step.title}`,
    });
  return {
    ...rest,
    ...planRuns(made, facts, fill),
    rpmbuildNetwork: made.rpmbuildNetwork && facts.trust !== "fork-pr",
    step: step.name,
    image: written === null ? null : keyOf(written),
    isTargetFixed,
    isNoarch,
  };
}
