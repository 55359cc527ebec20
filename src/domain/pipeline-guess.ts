import { DEFAULT_RESOURCES, PIPELINE_FILE } from "./pipeline.ts";
import type {
  CommitTree,
  PackageStep,
  Pipeline,
  PipelineImage,
  Project,
  Runs,
  TestStep,
} from "./pipeline.ts";
import { dockerfileStages } from "./dockerfile-stages.ts";
import { DURATION_UNITS } from "./pipeline-types.ts";
import { baseName } from "./repo-path.ts";

export type PipelineGuess =
  | { readonly pipeline: Pipeline; readonly note: string }
  | { readonly nothingToDo: string };

const SPEC_PLACES = /^(?:(?:rpm|packaging)\/)?[^/]+\.spec$/;
const SPECS_SHOWN_MAX = 5;

/**
 * What a repo without a pipeline file says by itself: a Dockerfile is built, a test runs in it if one
 * can be seen, and a spec file is built if there is exactly one. A guess publishes nowhere: that is for
 * a person to say.
 */
export function guessPipeline(tree: CommitTree): PipelineGuess {
  const specs = specsOf(tree);
  const spec = specs.length === 1 ? (specs[0] ?? null) : null;
  const image = defaultImageIn(tree, "");
  const command = guessTestCommand(tree);
  if (spec === null && image.kind !== "dockerfile")
    return { nothingToDo: nothingToDo(specs, command) };

  const test = image.kind === "dockerfile" ? guessTest(image, command, tree) : undefined;
  const found = [
    image.kind === "dockerfile" ? "image ./Dockerfile" : undefined,
    test && `test ${test.said}`,
    spec === null ? undefined : `package ${spec}`,
  ];
  const guessed = found.filter((part) => part !== undefined).join(", ");
  const offer = test === undefined && command !== undefined ? offered(command) : "";
  return {
    pipeline: pipelineOf(image, test?.step, spec),
    note: `No ${PIPELINE_FILE}; guessed: ${guessed}.${specs.length > 1 ? undecided(specs) : ""}${offer}`,
  };
}

/** Spec files where people put them, in the order of their names. */
export function specsOf(tree: CommitTree): readonly string[] {
  return tree
    .files()
    .filter((path) => SPEC_PLACES.test(path))
    .toSorted();
}

type BuiltImage = PipelineImage & { readonly kind: "dockerfile" };

/** A stage that is called `test` is the test; else a command runs in the image. */
function guessTest(image: BuiltImage, command: string | undefined, tree: CommitTree) {
  const stages = dockerfileStages(tree.read?.(image.path) ?? "");
  const stage = stages.find((name) => name?.toLowerCase() === "test");
  if (stage !== undefined) {
    return { said: `stage ${stage}`, step: testStep(null, { ...image, stage }) };
  }
  return command === undefined
    ? undefined
    : { said: `\`${command}\``, step: testStep(command, null) };
}

/** The command that looks like the repo's own test, or undefined. */
export function guessTestCommand(tree: CommitTree): string | undefined {
  if (hasNpmTest(tree)) return tree.has("package-lock.json") ? "npm ci && npm test" : "npm test";
  const rules = tree.has("Makefile") ? (tree.read?.("Makefile") ?? "") : "";
  for (const rule of ["check", "test"]) {
    if (rules.split("\n").some((line) => line.startsWith(`${rule}:`))) return `make ${rule}`;
  }
  if (tree.has("go.mod")) return "go test ./...";
  if (tree.has("Cargo.toml")) return "cargo test";
  return tree.has("pyproject.toml") ? "python3 -m pytest" : undefined;
}

function hasNpmTest(tree: CommitTree): boolean {
  const text = tree.has("package.json") ? tree.read?.("package.json") : undefined;
  if (text === undefined) return false;
  try {
    const { scripts } = JSON.parse(text) as {
      readonly scripts?: { readonly test?: unknown } | null;
    };
    // What `npm init` writes there only fails.
    return typeof scripts?.test === "string" && !scripts.test.includes("no test specified");
  } catch {
    return false; // Not JSON, so it says nothing.
  }
}

function offered(command: string): string {
  return ` Not run: \`${command}\` looks like a test; \`tatara init\` writes it down.`;
}

/** The image of a project that names none. */
export function defaultImageIn(tree: CommitTree, folder: string): PipelineImage {
  const path = folder === "" ? "Dockerfile" : `${folder}/Dockerfile`;
  if (!tree.has(path)) return { kind: "base" };
  const timeoutMs = 60 * DURATION_UNITS.m;
  return {
    kind: "dockerfile",
    path,
    context: folder,
    stage: null,
    args: {},
    secrets: [],
    timeoutMs,
  };
}

function pipelineOf(
  image: PipelineImage,
  test: TestStep | undefined,
  spec: string | null,
): Pipeline {
  const project: Project = {
    name: "",
    path: "",
    also: [],
    needs: [],
    only: null,
    image,
    services: [],
    tests: test === undefined ? [] : [test],
    packages: spec === null ? [] : [packageOf(spec)],
    publish: [],
  };
  return {
    when: { branches: null, tags: null, pullRequests: null, schedule: [], paths: null },
    onNewerPush: null,
    checkout: { submodules: false, lfs: false },
    runAllOn: [PIPELINE_FILE],
    projects: [project],
  };
}

const RUNS: Runs = {
  env: {},
  secrets: [],
  cache: null,
  only: null,
  network: "internet",
  timeoutMs: 60 * DURATION_UNITS.m,
  idleTimeoutMs: 30 * DURATION_UNITS.m,
  resources: DEFAULT_RESOURCES,
};

function testStep(run: string | null, image: PipelineImage | null): TestStep {
  return {
    ...RUNS,
    name: "test",
    run,
    image,
    matrix: null,
    services: [],
    reports: null,
    keep: null,
    needs: [],
    dir: { kind: "path", path: "" },
    user: "image",
    allowFailure: false,
  };
}

function packageOf(spec: string): PackageStep {
  return {
    ...RUNS,
    label: baseName(spec).replace(/\.spec$/, ""),
    for: null,
    arch: ["x86_64"],
    version: { kind: "spec" },
    release: { kind: "auto" },
    run: null,
    image: null,
    repos: [],
    rpmbuildNetwork: false,
    lint: "warn",
    verify: { run: null, upgradeFrom: null, timeoutMs: 30 * DURATION_UNITS.m },
    source: {
      kind: "spec",
      path: spec,
      define: {},
      with: [],
      without: [],
      fetch: false,
      sourceRpm: true,
      debuginfo: true,
    },
  };
}

function nothingToDo(specs: readonly string[], command: string | undefined): string {
  if (specs.length === 0) {
    const offer = command === undefined ? "" : `.${offered(command)}`;
    return `nothing to build: no ${PIPELINE_FILE}, no Dockerfile, no spec file${offer}`;
  }
  return `nothing to build: no ${PIPELINE_FILE} says which of these to package: ${listed(specs)}`;
}

function undecided(specs: readonly string[]): string {
  return ` Not packaged, since there are several spec files: ${listed(specs)}.`;
}

function listed(specs: readonly string[]): string {
  const more = specs.length - SPECS_SHOWN_MAX;
  return specs.slice(0, SPECS_SHOWN_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
