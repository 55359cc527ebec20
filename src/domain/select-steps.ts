import type { JobSpec, PlannedJob, PlannedTest } from "./job-spec.ts";

/** Which steps of a plan somebody asks for. */
export type StepWish =
  /** Everything that is no package. */
  | { readonly kind: "tests" }
  /** By id (`unit-22`), by name in the file (`unit`, every entry of its matrix), or a whole kind (`package`). */
  | { readonly kind: "named"; readonly names: readonly string[] };

export interface SelectedSteps {
  /** Only what was asked for and what it needs; positions in `needs` are those of this list. */
  readonly jobs: readonly PlannedJob[];
  /** Names that no step has. */
  readonly unknown: readonly string[];
  /** Every name that could have been asked for. */
  readonly known: readonly string[];
}

/**
 * A plan with fewer steps. What a step needs comes with it: the tests it names, its images and, for a
 * package, the tests that keep files. `verify` is left out: it needs published packages.
 */
export function selectSteps(jobs: readonly PlannedJob[], wish: StepWish): SelectedSteps {
  const builds = jobs.filter(({ spec }) => spec.kind === "build");
  const named = wish.kind === "named" ? wish.names : [];
  const known = [...new Set(builds.flatMap(({ spec }) => namesOf(spec)))];
  const unknown = named.filter((name) => !known.includes(name));
  const isWanted = (id: string, names: readonly string[]): boolean =>
    [id, ...names].some((name) => named.includes(name));

  const kept = new Map<number, PlannedJob>();
  for (const [position, job] of jobs.entries()) {
    if (job.spec.kind !== "build") continue;
    const spec = wish.kind === "tests" ? testsOf(job.spec) : partOf(job.spec, isWanted);
    if (spec !== undefined) kept.set(position, { ...job, spec });
  }
  const positions = [...kept.keys()];
  return {
    jobs: [...kept.values()].map((job) => ({
      ...job,
      needs: job.needs.flatMap((need) => {
        const at = positions.indexOf(need);
        return at === -1 ? [] : [at];
      }),
    })),
    unknown,
    known,
  };
}

function namesOf({ steps, tests, packages, images }: JobSpec): readonly string[] {
  return [
    ...tests.flatMap(({ name, step }) => [name, step]),
    ...(packages.length > 0 ? ["package"] : []),
    ...packages.map(({ step }) => step),
    ...images.flatMap(({ step }) => step ?? []),
    // One that a rule leaves out has a name too, and says why it does not run.
    ...steps
      .filter(({ kind, skip }) => kind !== "checkout" && skip !== null)
      .map(({ name }) => name),
  ];
}

function testsOf(spec: JobSpec): JobSpec | undefined {
  const isTest = spec.steps.some(({ kind }) => kind === "test");
  const isImageAlone = spec.packages.length === 0;
  if (!isTest && !isImageAlone) return undefined;
  const images = spec.images.flatMap(({ step }) => step ?? []);
  return only(spec, { tests: spec.tests, packages: [], images: isTest ? [] : images });
}

function partOf(
  spec: JobSpec,
  isWanted: (id: string, names: readonly string[]) => boolean,
): JobSpec | undefined {
  const packages = spec.packages.filter(({ step }) => isWanted(step, ["package"]));
  const keeping = packages.length > 0 ? spec.tests.filter(({ keep }) => keep !== null) : [];
  const asked = spec.tests.filter(({ step, name }) => isWanted(step, [name]));
  const tests = withNeeds(spec, [...asked, ...keeping]);
  const images = spec.images.flatMap(({ step }) =>
    step !== null && isWanted(step, []) ? [step] : [],
  );
  const skipped = spec.steps.some(({ name, skip }) => skip !== null && isWanted(name, []));
  if (tests.length + packages.length + images.length === 0 && !skipped) return undefined;
  const part = only(spec, { tests, packages, images });
  const shown = part.steps.filter(({ name, skip }) => skip === null || isWanted(name, []));
  return { ...part, steps: shown };
}

/** In the order of the plan. */
function withNeeds({ tests }: JobSpec, asked: readonly PlannedTest[]): readonly PlannedTest[] {
  const ids = new Set(asked.map(({ step }) => step));
  // The longest chain is as long as the list.
  for (const _round of tests) {
    for (const { step, needs } of tests) {
      if (ids.has(step)) for (const need of needs) ids.add(need);
    }
  }
  return tests.filter(({ step }) => ids.has(step));
}

function only(
  spec: JobSpec,
  part: Pick<JobSpec, "tests" | "packages"> & { readonly images: readonly string[] },
): JobSpec {
  const { tests, packages } = part;
  const names = new Set(tests.flatMap(({ services }) => services));
  const services = spec.services.filter(({ name }) => names.has(name));
  const theirs = new Set(services.map(({ image }) => JSON.stringify(image)));
  const keys = new Set([...tests, ...packages].map(({ image }) => image));
  const [own] = spec.images;
  const images = spec.images.filter(
    (each) =>
      keys.has(each.key) ||
      theirs.has(JSON.stringify(each.image)) ||
      (each.step !== null && part.images.includes(each.step)) ||
      // Packages are made beside the project's image, whatever they name.
      (packages.length > 0 && each === own),
  );
  const ids = new Set([
    "checkout",
    ...[...tests, ...packages].map(({ step }) => step),
    ...images.flatMap(({ step }) => step ?? []),
  ]);
  const steps = spec.steps.filter(({ name, kind, skip }) => {
    return ids.has(name) || (skip !== null && kind === "test");
  });
  return { ...spec, steps, images, services, tests, packages, verify: [] };
}
