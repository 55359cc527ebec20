import type { PlannedTest } from "./job-spec.ts";
import type { Project, TestStep } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";
import { type ImageList } from "./plan-images.ts";
import { expandMatrix, matrixEnv, matrixTitle, stepIds, type MatrixEntry } from "./plan-matrix.ts";
import { judgeOnly } from "./plan-rules.ts";
import { planImage, planRuns } from "./plan-runs.ts";
import { fillKeep, filler, gitValues, matrixValues } from "./plan-templates.ts";
import type { PlannedStep } from "./step.ts";

export interface TestPlan {
  readonly tests: readonly PlannedTest[];
  readonly steps: readonly PlannedStep[];
}

interface Entry {
  readonly test: TestStep;
  readonly entry: MatrixEntry;
  readonly id: string;
  readonly title: string;
  readonly skip: string | null;
}

/** Every combination of every test, those left out included: the page says why. */
export function planTests(
  project: Project,
  facts: PlanFacts,
  job: { readonly images: ImageList; readonly ids: ReturnType<typeof stepIds> },
): TestPlan {
  const skips = skipReasons(project, facts);
  const entries = project.tests.flatMap((test) =>
    expandMatrix(test.matrix).map((entry): Entry => ({
      test,
      entry,
      id: job.ids(test.name, ...Object.values(entry)),
      title: matrixTitle(test.name, entry),
      skip: skips.get(test.name) ?? null,
    })),
  );
  const running = entries.filter(({ skip }) => skip === null);
  return {
    tests: running.map((entry) => planTest(entry, running, { ...job, facts, project })),
    steps: entries.map(({ id, title, skip }) => ({ name: id, title, kind: "test", skip })),
  };
}

/** A test that needs one that does not run cannot run either: its files would be missing. */
function skipReasons(project: Project, facts: PlanFacts): ReadonlyMap<string, string> {
  const skips = new Map<string, string>();
  for (const { name, only } of project.tests) {
    const why = judgeOnly(only, facts, project.name);
    if (why !== null) skips.set(name, why);
  }
  // Once around for each test is enough for the longest chain.
  for (const _round of project.tests) {
    for (const { name, needs } of project.tests) {
      const missing = needs.find((needed) => skips.has(needed));
      if (missing !== undefined && !skips.has(name)) skips.set(name, `${missing} does not run`);
    }
  }
  return skips;
}

function planTest(
  { test, entry, id, title }: Entry,
  running: readonly Entry[],
  {
    images,
    ids,
    facts,
    project,
  }: {
    readonly images: ImageList;
    readonly ids: ReturnType<typeof stepIds>;
    readonly facts: PlanFacts;
    readonly project: Project;
  },
): PlannedTest {
  const { matrix: _matrix, only: _only, image: written, ...rest } = test;
  const fill = filler({ ...gitValues(facts.git), ...matrixValues(entry) });
  const image = planImage(written ?? project.image, facts, fill);
  // One image for all entries is named after the test, one for each after the entry.
  const isForAll = !JSON.stringify(written).includes("${matrix.");
  const name = isForAll ? test.name : id;
  const key = images.add(image, {
    id: () => ids("image", name),
    title: `image ${isForAll ? test.name : title}`,
  });
  return {
    ...rest,
    ...planRuns(test, facts, fill),
    step: id,
    image: key,
    matrix: matrixEnv(entry),
    reports: test.reports?.map(fill) ?? null,
    keep: fillKeep(test.keep, fill),
    needs: running.filter((other) => test.needs.includes(other.test.name)).map((one) => one.id),
  };
}
