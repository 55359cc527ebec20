import type {
  Only,
  PackageStep,
  Pipeline,
  PipelineImage,
  Project,
  PublishRule,
  Runs,
  Service,
  TestStep,
} from "../../src/domain/pipeline.ts";
import { DEFAULT_RESOURCES } from "../../src/domain/pipeline.ts";
import type { PlanFacts } from "../../src/domain/plan-facts.ts";
import type { PlanMessage } from "../../src/shared/build-messages.ts";

/** Pipelines in long form as the parser makes them, with everything a test does not care about. */
export function aPipeline(
  project: Partial<Project> = {},
  more: Partial<Omit<Pipeline, "projects">> = {},
): Pipeline {
  return aMonorepo([{ ...project, name: project.name ?? "" }], more);
}

export function aMonorepo(
  projects: readonly (Partial<Project> & { readonly name: string })[],
  more: Partial<Omit<Pipeline, "projects">> = {},
): Pipeline {
  return {
    when: { branches: null, tags: null, pullRequests: null, paths: null, schedule: [] },
    onNewerPush: null,
    checkout: { submodules: false, lfs: false },
    runAllOn: [".tatara.yml"],
    ...more,
    projects: projects.map((project) => ({
      path: "",
      also: [],
      needs: [],
      only: null,
      image: BASE_IMAGE,
      services: [],
      tests: [],
      packages: [],
      publish: [],
      ...project,
    })),
  };
}

export const BASE_IMAGE: PipelineImage = { kind: "base" };

export function dockerfile(
  path = "Dockerfile",
  more: Partial<Extract<PipelineImage, { kind: "dockerfile" }>> = {},
): PipelineImage {
  const timeoutMs = 3_600_000;
  return {
    kind: "dockerfile",
    path,
    context: "",
    stage: null,
    args: {},
    secrets: [],
    timeoutMs,
    ...more,
  };
}

export function named(name: string): PipelineImage {
  return { kind: "named", name, pull: "missing" };
}

const RUNS: Runs = {
  env: {},
  secrets: [],
  cache: null,
  only: null,
  network: "internet",
  timeoutMs: 3_600_000,
  idleTimeoutMs: 1_800_000,
  resources: DEFAULT_RESOURCES,
};

export function aTest(some: Partial<TestStep> = {}): TestStep {
  return {
    ...RUNS,
    name: "test",
    run: "true",
    image: null,
    matrix: null,
    services: [],
    reports: null,
    keep: null,
    needs: [],
    dir: { kind: "path", path: "" },
    user: "image",
    allowFailure: false,
    ...some,
  };
}

export function aService(some: Partial<Service> = {}): Service {
  return {
    name: "db",
    image: named("postgres:17"),
    command: null,
    env: {},
    ready: null,
    readyTimeoutMs: 60_000,
    cpus: 1,
    memoryBytes: 1024 ** 3,
    ...some,
  };
}

export const VERIFY = { run: null, upgradeFrom: null, timeoutMs: 600_000 } as const;

/** From a spec file, and not verified unless told so. */
export function aPackageStep(some: Partial<PackageStep> = {}): PackageStep {
  return {
    ...RUNS,
    label: "a",
    for: null,
    arch: ["x86_64"],
    version: { kind: "spec" },
    release: { kind: "auto" },
    run: null,
    image: null,
    repos: [],
    rpmbuildNetwork: false,
    lint: "warn",
    verify: null,
    source: {
      kind: "spec",
      path: "a.spec",
      define: {},
      with: [],
      without: [],
      fetch: false,
      sourceRpm: true,
      debuginfo: true,
    },
    ...some,
  };
}

/** `publish: dev`, unless told otherwise. */
export function aRule(some: Partial<PublishRule> = {}): PublishRule {
  const isDefaultBranch =
    some.branches === undefined && some.tags === undefined && some.promoteFrom == null;
  return { channel: "dev", isDefaultBranch, branches: [], tags: [], promoteFrom: null, ...some };
}

export function anOnly(some: Partial<Only>): Only {
  return { branches: null, tags: null, pullRequests: null, schedule: null, paths: null, ...some };
}

/** A push to the default branch of a forge, by a member; everything counts as changed. */
export function planFacts(some: Partial<PlanFacts> = {}): PlanFacts {
  return {
    trust: "trusted",
    isByHand: false,
    buildsAllBranches: false,
    mayPublish: true,
    targets: ["el9.x86_64", "el9.aarch64", "el10.x86_64", "fedora-43.x86_64"],
    defaultTarget: "el9.x86_64",
    changes: {},
    secrets: [],
    fresh: false,
    params: {},
    ...some,
    git: some.git ?? pushOf("refs/heads/main"),
  };
}

export function pushOf(ref: string): PlanFacts["git"] {
  const sha = "c0ffee1".padEnd(40, "0");
  return { sha, ref, defaultBranch: "main", event: "push", pullRequest: null };
}

export function pullRequestFrom(
  where: "fork" | "same-repo",
  baseBranch = "main",
): PlanFacts["git"] {
  const isFork = where === "fork";
  return {
    ...pushOf("refs/pull/12/head"),
    event: "pull-request",
    pullRequest: { number: 12, baseBranch, headBranch: "topic", isFork },
  };
}

/** What a planning worker sends of a pipeline. */
export function aPlanMessage(pipeline: Pipeline, some: Partial<PlanMessage> = {}): PlanMessage {
  return {
    // Records are read-only, messages are not; nothing else differs.
    pipeline: pipeline as PlanMessage["pipeline"],
    file: { name: ".tatara.yml", text: "image: node:24\n" },
    warnings: [],
    changes: {},
    commit: { subject: "a change", authorName: "Dev One", committedAt: 1 },
    note: null,
    nothingToDo: null,
    ...some,
  };
}
