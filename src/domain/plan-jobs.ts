import { UserFault } from "./faults.ts";
import type { JobSpec, PlannedJob } from "./job-spec.ts";
import type { Pipeline, Project, Service } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";
import { imageList, type ImageList } from "./plan-images.ts";
import { stepIds } from "./plan-matrix.ts";
import { needsOwnImage, planPackages } from "./plan-packages.ts";
import { judgeProjects, type JudgedProject } from "./plan-projects.ts";
import { judgeWhen } from "./plan-rules.ts";
import { planImage } from "./plan-runs.ts";
import { archOf, targetsOf, type ProjectTarget } from "./plan-targets.ts";
import { filler, fillMap, gitValues } from "./plan-templates.ts";
import { planTests } from "./plan-tests.ts";
import { planVerify } from "./plan-verify.ts";
import type { PlannedStep } from "./step.ts";

export interface BuildPlan {
  /** In the order of the page; those that do not run are among them. */
  readonly jobs: readonly PlannedJob[];
  /** Why nothing of it runs; null: something does. */
  readonly nothingToDo: string | null;
}

const PROJECTS_MAX = 200;
const JOBS_MAX = 100;
const STEPS_MAX = 100;

/**
 * Makes the jobs of a build from what its file says and what is known of it: pure, so that the same
 * plan sent twice is the same. Throws a `UserFault` for what only the server can refuse.
 */
export function planJobs(pipeline: Pipeline, facts: PlanFacts): BuildPlan {
  limit("projects", pipeline.projects.length, PROJECTS_MAX);
  const left = judgeWhen(pipeline.when, facts);
  const judged = judgeProjects(pipeline, facts).map((one) =>
    left === null ? one : { ...one, skip: left },
  );
  const builds = planProjects(judged, pipeline, facts);
  const jobs = [...builds, ...planVerify(builds, facts)];
  // What is left out costs nothing, however much of it there is.
  limit("jobs", jobs.filter(({ skip }) => skip === null).length, JOBS_MAX);
  for (const { spec } of jobs) limit(`steps of ${spec.name}`, spec.steps.length, STEPS_MAX);
  return { jobs, nothingToDo: left ?? nothingToDo(judged, builds) };
}

function limit(what: string, count: number, most: number): void {
  if (count <= most) return;
  throw new UserFault("PIPELINE_FILE_INVALID", `${what}: ${count}, the limit is ${most}`, {
    hint: "Make fewer of them: fewer targets, matrix entries or projects.",
  });
}

function nothingToDo(
  judged: readonly JudgedProject[],
  builds: readonly PlannedJob[],
): string | null {
  if (builds.some(({ skip }) => skip === null)) return null;
  const why = [...new Set(builds.map(({ skip }) => skip ?? ""))];
  const [first = "nothing to build"] = why;
  if (judged.length === 1) return first;
  return `0 of ${judged.length} projects ran: ${why.length === 1 ? first : "none is concerned"}`;
}

function planProjects(
  judged: readonly JudgedProject[],
  pipeline: Pipeline,
  facts: PlanFacts,
): readonly PlannedJob[] {
  const jobs: PlannedJob[] = [];
  /** Project → positions of its jobs that run. */
  const positions = new Map<string, readonly number[]>();
  for (const { project, skip } of judged) {
    const needs = project.needs.flatMap((name) => positions.get(name) ?? []);
    const made = planProject(project, { skip, needs, at: jobs.length, pipeline, facts });
    const own = made.flatMap((job, index) => (job.skip === null ? [jobs.length + index] : []));
    positions.set(project.name, own);
    jobs.push(...made);
  }
  return jobs;
}

interface ProjectFacts {
  readonly skip: string | null;
  readonly needs: readonly number[];
  /** Position of its first job. */
  readonly at: number;
  readonly pipeline: Pipeline;
  readonly facts: PlanFacts;
}

/** The first target's job also runs the tests; the others wait until it has passed. */
function planProject(project: Project, made: ProjectFacts): readonly PlannedJob[] {
  const { skip, needs, at, facts } = made;
  if (skip !== null) {
    const target = { target: facts.defaultTarget, packages: [] };
    return [{ spec: emptySpec(project, target, made), needs: [], skip, arch: null }];
  }
  const [first, ...others] = targetsOf(project, facts).map((target, index) => {
    const spec = planSpec(project, target, { ...made, isFirst: index === 0 });
    const { packages } = target;
    // Without a package the job is as good on any machine.
    const arch = packages.length === 0 ? null : archOf(target.target);
    return { spec, needs, skip: idleReason(spec), arch };
  });
  if (first === undefined) return [];
  const afterFirst = first.skip === null ? [...needs, at] : needs;
  return [first, ...others.map((job) => ({ ...job, needs: afterFirst }))];
}

/** A job of which no test and no package runs has nothing to make an image for. */
function idleReason({ steps }: JobSpec): string | null {
  const own = steps.filter(({ kind }) => kind === "test" || kind === "package");
  if (own.length === 0 || own.some(({ skip }) => skip === null)) return null;
  return own[0]?.skip ?? null;
}

const CHECKOUT: PlannedStep = { name: "checkout", title: "checkout", kind: "checkout", skip: null };

function planSpec(
  project: Project,
  target: ProjectTarget,
  made: ProjectFacts & { readonly isFirst: boolean },
): JobSpec {
  const { facts, isFirst } = made;
  const fill = filler(gitValues(facts.git));
  const images = imageList();
  const ids = stepIds();
  ids("checkout");
  if (isFirst || needsOwnImage(target)) {
    images.addOwn(planImage(project.image, facts, fill));
    ids("image");
  }
  const tests = isFirst
    ? planTests(project, facts, { images, ids })
    : { tests: [], steps: [] as readonly PlannedStep[] };
  const used = new Set(tests.tests.flatMap(({ services }) => services));
  const services = project.services
    .filter(({ name }) => used.has(name))
    .map((service) => planService(service, { facts, images, ids }));
  const packages = planPackages(project, target, facts, { images, ids });
  return {
    ...emptySpec(project, target, made),
    steps: [CHECKOUT, ...images.steps, ...tests.steps, ...packages.steps],
    images: images.images,
    services,
    tests: tests.tests,
    packages: packages.packages,
  };
}

/** Its Dockerfile is built like a test's: the image is among the job's, equal to the service's. */
function planService(
  service: Service,
  job: {
    readonly facts: PlanFacts;
    readonly images: ImageList;
    readonly ids: ReturnType<typeof stepIds>;
  },
): Service {
  const fill = filler(gitValues(job.facts.git));
  const image = planImage(service.image, job.facts, fill);
  if (image.kind === "dockerfile") {
    const { name } = service;
    job.images.add(image, { id: () => job.ids("image", name), title: `image ${name}` });
  }
  return { ...service, image, env: fillMap(service.env, fill) };
}

function emptySpec(
  project: Project,
  { target }: ProjectTarget,
  { pipeline, facts }: ProjectFacts,
): JobSpec {
  return {
    name: project.name === "" ? target : `${project.name} ${target}`,
    project: project.name,
    projectPath: project.path,
    kind: "build",
    target,
    checkout: pipeline.checkout,
    steps: [],
    images: [],
    services: [],
    tests: [],
    packages: [],
    verify: [],
    fresh: facts.fresh,
    params: facts.params,
  };
}
