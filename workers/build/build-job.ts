import { join } from "node:path";
import type {
  JobSpec,
  PlannedImage,
  PlannedPackage,
  PlannedTest,
} from "../../src/domain/job-spec.ts";
import { OTHER_JOBS, aheadPackaging, startNow } from "./ahead-packaging.ts";
import type { Ahead } from "./ahead-packaging.ts";
import { endFailed, endPassed } from "./job-ending.ts";
import type { Ending } from "./job-ending.ts";
import { jobImages } from "./job-images.ts";
import type { BuildJob } from "./job-parts.ts";
import type { FailedStep } from "./job-steps.ts";
import { begin } from "./job.ts";
import type { Job } from "./job.ts";
import { jobKept } from "./keep/job-kept.ts";
import type { PackageOutcome } from "./package/package-types.ts";
import { readPackageVersion } from "./package/version.ts";
import { packagedBefore, runPackaging } from "./packaging.ts";
import { TESTS_AT_ONCE_MAX } from "./prepare.ts";
import { openReportBudget } from "./reports/report-budget.ts";
import { readErrata } from "./source/read-errata.ts";
import { runGraph } from "./step-graph.ts";
import type { GraphNode } from "./step-graph.ts";
import { openRooms } from "./test-rooms.ts";
import type { Rooms } from "./test-rooms.ts";
import { runTestStep } from "./test-step.ts";

type Outcomes = Map<string, FailedStep>;
type BuiltPackages = Extract<PackageOutcome, { state: "passed" }>["files"];

/** Images, tests and packages, each as soon as what it needs has passed. */
export async function runBuildJob(
  job: Job,
  parts: Pick<BuildJob, "spec" | "commit" | "networks">,
): Promise<Ending> {
  const { spec, commit } = parts;
  const build: BuildJob = {
    job,
    ...parts,
    images: jobImages(job, parts),
    kept: jobKept(),
    reports: openReportBudget(),
    versions: readVersions(job, parts),
  };
  if (spec.tests.length === 0 && spec.packages.length > 0) await fetchOthers(build);
  const failed: Outcomes = new Map();
  const built = new Map<string, BuiltPackages>();
  const rooms = openRooms(build);
  const ahead = aheadPackaging(build);
  const nodes = [
    ...spec.images
      .filter(hasStep)
      .map((image) => imageNode(build, { image, rooms, ahead, failed })),
    ...spec.tests.map((test) => testNode(build, { test, rooms, failed })),
    ...spec.packages.map((planned) => packageNode(build, { planned, ahead, failed, built })),
  ];
  for (const { name, skip } of spec.steps) if (skip !== null) job.steps.skip(name, skip);
  if (!nodes.some(({ id }) => spec.images[0]?.step === id)) ahead.start();
  await runGraph(nodes, { atOnce: TESTS_AT_ONCE_MAX, onError: (err) => job.stop.abort(err) });
  job.signal.throwIfAborted();

  const [first, ...others] = spec.steps
    .flatMap(({ name }) => failed.get(name) ?? [])
    .filter(({ isAllowed }) => !isAllowed);
  if (first) {
    const facts = { tree: commit, planned: spec.steps };
    return endFailed(job.steps.card([first, ...others], facts));
  }
  const packages = [...built.values()].flat().map(({ fileName, sha256, sizeBytes, target }) => {
    return { fileName, sha256, sizeBytes, target };
  });
  if (packages.length === 0) return endPassed([]);
  return endPassed(packages, await readErrata(commit, job.signal));
}

/** Tests run once, in the job of the first target; the packages of the others need their files too. */
async function fetchOthers({ job, kept }: BuildJob): Promise<void> {
  kept.add(OTHER_JOBS, await job.record.fetchKept(join(job.dir, "kept"), job.signal));
}

function hasStep(image: PlannedImage): image is PlannedImage & { readonly step: string } {
  return image.step !== null;
}

function readVersions(job: Job, { spec, commit }: Pick<BuildJob, "spec" | "commit">) {
  return new Map(
    spec.packages.map((planned) => {
      const version = readPackageVersion(planned, spec.target, commit, job.signal);
      return [planned.step, begin(job, version)] as const;
    }),
  );
}

function imageNode(
  { job, spec, images }: BuildJob,
  {
    image: planned,
    rooms,
    ahead,
    failed,
  }: {
    readonly image: PlannedImage & { readonly step: string };
    readonly rooms: Rooms;
    readonly ahead: Ahead;
    readonly failed: Outcomes;
  },
): GraphNode {
  const { step, key } = planned;
  return {
    id: step,
    needs: [],
    takesTurn: false,
    skip: (missing) => job.steps.skip(step, `${missing} did not pass`),
    run: async () => {
      const made = await images.make(planned);
      if ("failure" in made) {
        failed.set(step, made);
        return false;
      }
      rooms.arrived(key, made);
      if (spec.images[0] === planned) ahead.start(made);
      return true;
    },
  };
}

function testNode(
  build: BuildJob,
  {
    test,
    rooms,
    failed,
  }: { readonly test: PlannedTest; readonly rooms: Rooms; readonly failed: Outcomes },
): GraphNode {
  const { job, spec } = build;
  const { step } = test;
  return {
    id: step,
    needs: [...imageSteps(spec, test), ...test.needs],
    takesTurn: true,
    skip: (missing) => job.steps.skip(step, `${missing} did not pass`),
    run: async (goOn) => {
      const outcome = await runTestStep(build, test, {
        openRoom: () => rooms.of(test.image),
        goOn,
      });
      if (outcome.state === "passed") return true;
      failed.set(step, outcome);
      return false;
    },
  };
}

/** Steps of the images that a test uses, those of its services included. */
function imageSteps({ images, services }: JobSpec, test: PlannedTest): readonly string[] {
  const own = images.filter(({ key }) => key === test.image);
  const used = services.filter(({ name }) => test.services.includes(name));
  const same = used.map(({ image }) => JSON.stringify(image));
  const theirs = images.filter(({ image }) => same.includes(JSON.stringify(image)));
  return [...own, ...theirs].flatMap(({ step }) => step ?? []);
}

function packageNode(
  build: BuildJob,
  {
    planned,
    ahead,
    failed,
    built,
  }: {
    readonly planned: PlannedPackage;
    readonly ahead: Ahead;
    readonly failed: Outcomes;
    readonly built: Map<string, BuiltPackages>;
  },
): GraphNode {
  const { job, spec } = build;
  const { step } = planned;
  const optional = optionalTests(spec);
  const tests = spec.tests.map((test) => test.step);
  const image = spec.images.find(({ key }) => key === planned.image)?.step;
  return {
    id: step,
    needs: [
      ...[spec.images[0]?.step, image].flatMap((one) => one ?? []),
      ...tests.filter((test) => !optional.has(test)),
    ],
    after: [...optional],
    takesTurn: true,
    skip: (missing) => job.steps.skip(step, `${missing} did not pass`),
    run: async () => {
      // What went wrong ahead is told by the step itself.
      const early = await ahead.of(planned)?.catch(() => undefined);
      const outcome =
        (await packagedBefore(job, planned)) ??
        (await runPackaging(job, planned, early ?? (await startNow(build, planned))));
      if (outcome.state === "passed") built.set(step, outcome.files);
      else failed.set(step, outcome);
      return outcome.state === "passed";
    },
  };
}

/** Tests that may fail, and those that cannot run without one of them. */
function optionalTests({ tests }: JobSpec): ReadonlySet<string> {
  const optional = new Set(
    tests.filter(({ allowFailure }) => allowFailure).map(({ step }) => step),
  );
  // The longest chain is as long as the list.
  for (const _round of tests) {
    for (const { step, needs } of tests) {
      if (needs.some((need) => optional.has(need))) optional.add(step);
    }
  }
  return optional;
}
