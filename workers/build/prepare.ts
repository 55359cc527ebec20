import type { Pipeline, PipelineTest } from "../../src/domain/pipeline.ts";
import { distFor, versionOfTag } from "../../src/domain/rpm-version.ts";
import type { Commit } from "./source/commit.ts";
import type { Container, Image, NetworkHandle, WorkspaceHandle } from "./engine.ts";
import { holdLog, type HeldLog } from "./log/held-log.ts";
import { begin, ownerOf } from "./job.ts";
import type { Job } from "./job.ts";
import { stepEnvironment } from "./step-environment.ts";
import { hasRpmbuild, preparePackage } from "./steps/package.ts";
import type { PackageDeps, PackageFacts } from "./steps/package.ts";
import { prepareTest } from "./steps/test.ts";
import { repack } from "./source/tree-tar.ts";

export const TESTS_AT_ONCE_MAX = 4;
const WORKSPACE = "/workspace";

/** Containers that were started early and wait for their turn. */
export interface Prepared {
  readonly image: Image;
  /** The container of a test, made now if it was not made early. */
  test(test: PipelineTest): Promise<Container>;
  /** The container of the package step; undefined without one. */
  readonly packaging: Promise<Packaging> | undefined;
}

export interface Packaging {
  readonly container: Container;
  readonly facts: PackageFacts;
  /** Its output, held back until the step is there. */
  readonly output: HeldLog;
}

export interface Ingredients {
  readonly pipeline: Pipeline;
  readonly commit: Commit;
  readonly image: Image;
  readonly network: Promise<NetworkHandle> | undefined;
  /** Told apart from an earlier preparation of the same job, in an image that it does not have. */
  readonly isSecond: boolean;
}

/**
 * Starts everything that the tests and the package step run in, as many tests as run side by side.
 * Nothing of the user's runs before its gate is opened.
 */
export function prepareContainers(job: Job, ingredients: Ingredients): Prepared {
  const { pipeline, image } = ingredients;
  const workspace =
    pipeline.tests.length === 0 ? undefined : begin(job, openWorkspace(job, ingredients));
  const open = (test: PipelineTest) => openTest(job, ingredients, workspace, test);
  const early = new Map(
    pipeline.tests.slice(0, TESTS_AT_ONCE_MAX).map((test) => [test.name, begin(job, open(test))]),
  );
  const { spec } = pipeline;
  return {
    image,
    test: (test) => early.get(test.name) ?? open(test),
    packaging: spec === null ? undefined : begin(job, openPackaging(job, ingredients, spec)),
  };
}

async function openWorkspace(job: Job, ingredients: Ingredients): Promise<WorkspaceHandle> {
  const { pipeline, commit, image } = ingredients;
  const options = {
    owner: ownerOf(job, nameIn(ingredients, "WORKSPACE")),
    image,
    tree: (owner: { uid: number; gid: number }) => repack(commit.openTree(job.signal), owner),
    steps: pipeline.tests.map(({ name }) => name),
  };
  return await job.deps.engine.createWorkspace(options, job.signal);
}

async function openTest(
  job: Job,
  ingredients: Ingredients,
  opening: Promise<WorkspaceHandle> | undefined,
  test: PipelineTest,
): Promise<Container> {
  const [network, workspace] = await Promise.all([ingredients.network, opening]);
  if (network === undefined || workspace === undefined) {
    throw new Error("The job has tests, and no network or no workspace.");
  }
  const container = {
    owner: ownerOf(job, nameIn(ingredients, test.name)),
    image: ingredients.image,
    env: environment(job, ingredients.commit, { step: test.name, home: workspace.home }),
    workingDir: WORKSPACE,
    volumes: { [workspace.volumeFor(test.name)]: WORKSPACE },
    network,
    privilege: "test",
    limits: job.deps.limits,
  } as const;
  const { write } = job.record.log(test.name);
  return await prepareTest(test, { engine: job.deps.engine, container, write }, job.signal);
}

async function openPackaging(job: Job, ingredients: Ingredients, spec: string): Promise<Packaging> {
  const { deps, signal } = job;
  const { commit, image } = ingredients;
  const output = holdLog(job.record.log("package").write);
  const packageDeps: PackageDeps = {
    engine: deps.engine,
    owner: ownerOf(job, nameIn(ingredients, "package")),
    env: environment(job, commit, { step: "package", home: "/tatara/home", workspace: "" }),
    limits: deps.limits,
    script: deps.packageScript,
    write: output.write,
  };
  const probe = { ...packageDeps, owner: ownerOf(job, nameIn(ingredients, "PROBE")) };
  const isEquipped = await deps.images.hasRpmbuild(image, () => hasRpmbuild(image, probe, signal));
  const builder = isEquipped ? image : await deps.engine.findImage(deps.baseImage, signal);
  const facts = packageFacts(job, commit, spec);
  const container = await preparePackage(facts, builder, packageDeps, signal);
  return { container, facts, output };
}

function nameIn({ isSecond }: Ingredients, name: string): string {
  return isSecond ? `${name}.SECOND` : name;
}

function environment(
  { grant }: Job,
  commit: Commit,
  { step, home, workspace = WORKSPACE }: { step: string; home: string; workspace?: string },
): Readonly<Record<string, string>> {
  const { build, target } = grant;
  const { sha, committedAtSeconds } = commit;
  return stepEnvironment({ build, target, sha, committedAtSeconds, step, home, workspace });
}

function packageFacts({ grant }: Job, commit: Commit, spec: string): PackageFacts {
  const distOn = (versionTagOnCommit: boolean) =>
    distFor({
      target: grant.target,
      versionTagOnCommit,
      commitCount: commit.count,
      sha: commit.sha,
    });
  const tagVersions = commit.tags.map(versionOfTag).filter((version) => version !== undefined);
  return { spec, commit, dist: distOn(false), distWhenTagged: distOn(true), tagVersions };
}
