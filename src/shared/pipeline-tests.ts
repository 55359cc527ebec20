import { nearSpelling } from "../domain/near-spelling.ts";
import { PIPELINE_STEPS_MAX } from "../domain/pipeline-keys.ts";
import type { PipelineImage, TestStep } from "../domain/pipeline.ts";
import { expandMatrix, stepIds } from "../domain/plan-matrix.ts";
import { has, mapOf, NO_MAP, switchOf, textOf, textsOf, valueOf } from "./pipeline-checked.ts";
import type { Checked, CheckedEntry, CheckedMap } from "./pipeline-checked.ts";
import { readCommands, readDir, readKeep, readRuns, readStepScope } from "./pipeline-defaults.ts";
import type { Defaults, ProjectScope } from "./pipeline-defaults.ts";
import { readImage } from "./pipeline-image.ts";
import { readMatrix } from "./pipeline-matrix.ts";
import { quoted } from "./pipeline-mistake.ts";
import type { Place } from "./pipeline-mistake.ts";
import { checkNeeds } from "./pipeline-needs.ts";
import { readFilePatterns } from "./pipeline-paths.ts";
import { checkServiceTemplates } from "./pipeline-services.ts";
import type { Services } from "./pipeline-services.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading } from "./pipeline-reading.ts";
import { checkReachable } from "./pipeline-rules.ts";

/** What surrounds the tests of a project. */
export interface TestsContext extends ProjectScope {
  readonly defaults: Defaults;
  readonly services: Services;
  /** Steps of a job beside the tests. */
  readonly otherSteps: number;
}

interface FoundTest {
  readonly name: string;
  readonly at: Place;
  readonly map: CheckedMap;
  readonly step: TestStep;
}

/** The tests of a project in the order of the file. What was refused is left out. */
export function readTests(
  value: Checked | undefined,
  keyAt: Place,
  context: TestsContext,
  reading: Reading,
): readonly TestStep[] {
  const found = entriesOf(value, keyAt).map((entry) => readTest(entry, context, reading));
  const needing = found.map(({ name, map }) => ({ name, needs: textsOf(map, "needs") ?? [] }));
  const names = value?.kind === "map" && !isLoneStep(value) ? [...value.entries.keys()] : ["test"];
  checkNeeds(needing, "test", names, reading);
  checkSteps(found, context, reading);
  return found.map(({ step }) => step);
}

function entriesOf(value: Checked | undefined, keyAt: Place): readonly CheckedEntry[] {
  if (value === undefined) return [];
  if (value.kind !== "map" || isLoneStep(value)) return [{ key: "test", keyAt, value }];
  return [...value.entries.values()].filter((entry) => entry.value !== undefined);
}

/** With the key `run` it is the long form of one step; no test can be called so. */
function isLoneStep(map: CheckedMap): boolean {
  return has(map, "run");
}

function readTest(
  { key: name, keyAt: at, value }: CheckedEntry,
  context: TestsContext,
  reading: Reading,
): FoundTest {
  if (value?.kind !== "map") {
    const run = value?.kind === "text" ? value.value : null;
    return { name, at, map: NO_MAP, step: readStep(name, NO_MAP, { ...context, run }, reading) };
  }
  const run = readCommands(value, "run", reading);
  const step = readStep(name, value, { ...context, run }, reading);
  checkReachable(mapOf(value, "only"), "the step", context.when, reading);
  if (!has(value, "run") && !buildsImage(value, step.image)) {
    refuse(reading, at, {
      code: "KEY_MISSING",
      message: `${value.where} needs "run"`,
      hint: "add `run: make check`, or an image that is built: then the build is the test",
    });
  }
  return { name, at, map: value, step };
}

/** Without a command, building the image is the test. A refused image has been told already. */
function buildsImage(map: CheckedMap, image: PipelineImage | null): boolean {
  return image === null ? has(map, "image") : image.kind === "dockerfile";
}

function readStep(
  name: string,
  map: CheckedMap,
  { run, defaults, services, ...project }: TestsContext & { readonly run: string | null },
  reading: Reading,
): TestStep {
  const matrixMap = mapOf(map, "matrix");
  const matrix = matrixMap && readMatrix(matrixMap, reading);
  const isRefused = has(map, "matrix") && matrix === undefined;
  const variables = isRefused ? undefined : (matrix?.variables.map((one) => one.name) ?? []);
  const step = readStepScope(map, project, variables, reading);
  const { scope } = step;
  checkServices(map, variables, services, reading);
  const reports = textsOf(map, "reports");
  return {
    name,
    run,
    image: readImage(valueOf(map, "image"), scope, reading) ?? null,
    matrix: matrix ?? null,
    services: textsOf(map, "services")?.map(({ value }) => value) ?? [],
    reports: reports === undefined ? null : readFilePatterns(reports, scope, reading),
    keep: readKeep(valueOf(map, "keep"), scope, reading),
    needs: textsOf(map, "needs")?.map(({ value }) => value) ?? [],
    dir: readDir(map, defaults, scope, reading),
    user: textOf(map, "user")?.value === "ci" ? "ci" : "image",
    allowFailure: switchOf(map, "allow-failure") ?? false,
    ...readRuns(map, defaults, step, reading),
  };
}

function checkServices(
  map: CheckedMap,
  variables: readonly string[] | undefined,
  services: Services,
  reading: Reading,
): void {
  for (const text of textsOf(map, "services") ?? []) {
    const service = services.get(text.value);
    if (service !== undefined) {
      checkServiceTemplates(service, variables, reading);
      continue;
    }
    const names = [...services.keys()];
    const near = nearSpelling(text.value, names);
    const listed =
      names.length === 0
        ? "write it under `services` at the top"
        : `services: ${names.slice(0, 20).join(", ")}`;
    refuse(reading, text.at, {
      code: "SERVICE_UNKNOWN",
      message: `no service ${quoted(text.value)}`,
      hint: near === undefined ? listed : `did you mean "${near}"?`,
    });
  }
}

/** Steps have ids of their own, and a job only so many. */
function checkSteps(
  found: readonly FoundTest[],
  { otherSteps }: TestsContext,
  reading: Reading,
): void {
  const seen = new Map<string, string>();
  const stepsMax = PIPELINE_STEPS_MAX - otherSteps;
  let count = 0;
  let first: FoundTest | undefined;
  for (const test of found) {
    for (const entry of expandMatrix(test.step.matrix)) {
      count += 1;
      if (count === stepsMax + 1) first = test;
      const id = stepIds()(test.name, ...Object.values(entry));
      const other = seen.get(id);
      seen.set(id, test.name);
      if (other === undefined) continue;
      const both =
        other === test.name
          ? `two steps of ${quoted(other)}`
          : `${quoted(other)} and ${quoted(test.name)}`;
      refuse(reading, test.at, {
        code: "NAME_RESERVED",
        message: `${both} would have the same name, "${id}"`,
        hint: other === test.name ? "write values that differ in letters or digits" : "rename one",
      });
      return;
    }
  }
  if (first === undefined) return;
  refuse(reading, first.at, {
    code: "LIMIT_EXCEEDED",
    message: `${count} tests are over the limit, ${stepsMax}`,
    hint: "put several commands into one test",
  });
}
