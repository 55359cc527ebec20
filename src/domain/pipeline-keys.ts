// oxlint-disable max-lines -- one table is read more easily than several
import { DURATION_UNITS, SIZE_UNITS } from "./pipeline-types.ts";
import type { KeyType, PipelinePlace, TextFormat } from "./pipeline-types.ts";

/**
 * The keys of `.tatara.yml`, as plain data: the one source of the checks of a file's shape, of "did
 * you mean", of the JSON Schema, of the reference page and of `tatara explain`. A new key is a row
 * here and a reader in shared/pipeline-*.ts.
 */
export interface PipelineKey {
  /** Where the key may stand. */
  readonly place: PipelinePlace;
  readonly key: string;
  /** Short forms first; the last alternative is the longest. */
  readonly type: KeyType;
  /** What holds without the key, in words; "required" where there is no such thing. */
  readonly default: string;
  /** One sentence, without a full stop. */
  readonly meaning: string;
  /** A line that is right as it stands, in its place. */
  readonly example: string;
  /** Version of Tatara that first knew the key. */
  readonly since: string;
  readonly isRequired?: true;
  /** Keys of the same place that cannot stand beside it. */
  readonly excludes?: readonly string[];
  /** A key of the same place without which it means nothing. */
  readonly requires?: string;
  /** The key that took over, and the version in which this one stops working. */
  readonly retired?: { readonly by: string; readonly until: string };
}

type Details = Pick<PipelineKey, "default" | "meaning" | "example"> &
  Partial<Pick<PipelineKey, "isRequired" | "excludes" | "requires" | "retired" | "since">>;

/** Keys that later versions add say so themselves. */
function key(place: PipelinePlace, name: string, type: KeyType, details: Details): PipelineKey {
  return { place, key: name, type, since: "0.2", ...details };
}

function text(format: TextFormat): KeyType {
  return { is: "text", format };
}

function texts(format: TextFormat, countMax = LIST_COUNT_MAX): KeyType {
  return { is: "texts", format, countMax };
}

function keysOf(place: PipelinePlace): KeyType {
  return { is: "keys", place };
}

function mapOf(keys: TextFormat, of: KeyType, countMax = MAP_COUNT_MAX): KeyType {
  return { is: "map", keys, of, countMax };
}

function either(...of: readonly KeyType[]): KeyType {
  return { is: "either", of };
}

function choice(...of: readonly string[]): KeyType {
  return { is: "choice", of };
}

function durationUpTo(max: number): KeyType {
  return { is: "text", format: "duration", max };
}

function sizeUpTo(max: number): KeyType {
  return { is: "text", format: "size", max };
}

/** Limits of the file. At each of them the answer is `LIMIT_EXCEEDED`. */
export const PIPELINE_BYTES_MAX = 1024 * 1024;
export const PIPELINE_LEVELS_MAX = 20;
export const PIPELINE_NODES_MAX = 10_000;
/** Comments, blank lines and punctuation count here; 10,000 values in lines of their own need 30,000. */
export const PIPELINE_TOKENS_MAX = 40_000;
export const PIPELINE_PROJECTS_MAX = 200;
/** Jobs of a build, those of `verify` included. */
export const PIPELINE_JOBS_MAX = 100;
/** Steps of a job, `checkout`, `image` and `package` included. */
export const PIPELINE_STEPS_MAX = 100;
/** At this one the answer is `MATRIX_SIZE`. */
export const MATRIX_STEPS_MAX = 64;
/** Linux gives a process no argument of 128 KiB or more, and a command is one argument of `sh`. */
export const PIPELINE_COMMAND_BYTES_MAX = 100 * 1024;
/** The server reads no longer ones from a worker (shared/pipeline-message.ts). */
export const PIPELINE_TEXT_LENGTH_MAX = 64_000;
export const PIPELINE_LINE_LENGTH_MAX = 1_900;
export const PIPELINE_NAME_LENGTH_MAX = 200;
const LIST_COUNT_MAX = 1_000;
const MAP_COUNT_MAX = 100;
const FILES_COUNT_MAX = 5_000;

const SWITCH: KeyType = { is: "switch" };
const TIMEOUT = durationUpTo(6 * DURATION_UNITS.h);
const MEMORY = sizeUpTo(SIZE_UNITS.t);
const DISK = sizeUpTo(10 * SIZE_UNITS.t);
const CPUS: KeyType = { is: "number", min: 0.1, max: 256, isWhole: false };
const PIDS: KeyType = { is: "number", min: 1, max: 100_000, isWhole: true };

/** Text that a value is put into later, so `${git.sha}` may stand in it. */
const VALUE: KeyType = { is: "text", format: "text", hasTemplates: true, mayBeEmpty: true };
const ENV = mapOf("env-name", VALUE);
const NAME_OR_PATH: KeyType = { is: "text", format: "image", hasTemplates: true };
const IMAGE = either(NAME_OR_PATH, keysOf("image"));
const COMMANDS = texts("command");
/** What goes into a container's command line, which the kernel bounds. */
const ARGUMENTS: KeyType = { is: "list", of: text("line"), countMax: LIST_COUNT_MAX };
const PATTERNS = texts("pattern");
const TEMPLATED_PATTERNS: KeyType = {
  is: "texts",
  format: "pattern",
  hasTemplates: true,
  countMax: LIST_COUNT_MAX,
};
const CACHE_PATHS: KeyType = {
  is: "texts",
  format: "cache-path",
  hasTemplates: true,
  // Every step repeats them in the long form.
  countMax: 50,
};
const CACHE = either(CACHE_PATHS, keysOf("cache"));
const SECRETS = either(texts("secret-name", 100), mapOf("secret-name", choice("file", "env")));
const PULL_REQUESTS = either(SWITCH, PATTERNS);
const NETWORK = choice("internet", "mirrors", "none");
const SERVICES = mapOf("service-name", either(NAME_OR_PATH, keysOf("service")), 50);
const STEP = either(text("command"), keysOf("step"));
const MATRIX: KeyType = {
  is: "map",
  keys: "variable",
  of: { is: "list", of: text("line"), countMax: LIST_COUNT_MAX },
  countMax: 20,
  place: "matrix",
};
const TESTS = either(
  text("command"),
  { is: "keys", place: "step", marker: "run" },
  mapOf("step-name", STEP),
);
const ONE_PACKAGE = either(text("spec-path"), keysOf("package"));
const PACKAGES = either(
  text("spec-path"),
  { is: "list", of: ONE_PACKAGE, countMax: 50 },
  keysOf("package"),
);
const PUBLISH = either(
  text("channel"),
  { is: "switch", only: false },
  mapOf("channel", keysOf("publish-rule")),
);

/** With a spec file all of this is the spec's to say. */
const WITHOUT_SPEC = { excludes: ["spec"] } as const;
const BUILT_IMAGE = { excludes: ["from"], requires: "build" } as const;

export const PIPELINE_KEYS: readonly PipelineKey[] = [
  key("top", "image", IMAGE, {
    default: "./Dockerfile if it exists, else the server's base image",
    meaning: "What the steps run in: a Dockerfile of the commit, or an image of a registry",
    example: "image: ./Dockerfile",
    since: "0.1",
  }),
  key("top", "test", TESTS, {
    default: "none",
    meaning: "Commands that must exit 0; one makes the step `test`, a map a step per name",
    example: "test: make check",
    since: "0.1",
  }),
  key("top", "package", PACKAGES, {
    default: "none",
    meaning: "What the RPMs are made from: a spec file, or a map; several are a list",
    example: "package: hello.spec",
    since: "0.1",
  }),
  key("top", "publish", PUBLISH, {
    default: "nothing is published",
    meaning: "Which commits go to which channel; a channel alone gets the default branch",
    example: "publish: dev",
    since: "0.1",
  }),
  key("top", "when", keysOf("when"), {
    default: "the default branch, all tags, pull requests",
    meaning: "Which pushes are built",
    example: "when: { branches: [main] }",
  }),
  key("top", "services", SERVICES, {
    default: "none",
    meaning: "Containers that run beside the steps which list them",
    example: "services: { db: postgres:17 }",
  }),
  key("top", "env", ENV, {
    default: "none",
    meaning: "Environment of every step",
    example: "env: { LANG: C.UTF-8 }",
  }),
  key("top", "cache", CACHE, {
    default: "none",
    meaning: "Folders that every step finds as an earlier build left them",
    example: "cache: ~/.npm",
  }),
  key("top", "timeout", TIMEOUT, {
    default: "60m",
    meaning: "The longest time that any step may take",
    example: "timeout: 30m",
  }),
  key("top", "resources", keysOf("resources"), {
    default: "2 cpus, 4g of memory, 512 processes, 10g of disk",
    meaning: "What any step may use",
    example: "resources: { memory: 8g }",
  }),
  key("top", "dir", text("work-dir"), {
    default: ".",
    meaning: "Working directory of every step; `image` is the image's own",
    example: "dir: src",
  }),
  key("top", "checkout", keysOf("checkout"), {
    default: "neither submodules nor LFS files",
    meaning: "How the source is fetched",
    example: "checkout: { submodules: true }",
  }),
  key("top", "on-newer-push", choice("cancel", "keep"), {
    default: "cancel on pull requests, else keep",
    meaning: "What happens to a build when a newer push to the same ref arrives",
    example: "on-newer-push: cancel",
  }),
  key("top", "run-all-on", PATTERNS, {
    default: ".tatara.yml",
    meaning: "Files that concern all projects",
    example: "run-all-on: [.tatara.yml, go.work]",
    requires: "projects",
  }),
  key("top", "projects", mapOf("project-name", keysOf("project"), PIPELINE_PROJECTS_MAX), {
    default: "none",
    meaning: "Several pipelines in one repo",
    example: "projects: { api: { path: services/api, test: make check } }",
  }),

  key(
    "image",
    "build",
    { is: "text", format: "dockerfile-path", hasTemplates: true },
    {
      default: "none",
      meaning: "The Dockerfile to build",
      example: "build: ./Dockerfile",
      excludes: ["from"],
    },
  ),
  key(
    "image",
    "from",
    { is: "text", format: "image-name", hasTemplates: true },
    {
      default: "none",
      meaning: "An image of a registry",
      example: "from: node:24",
    },
  ),
  key(
    "image",
    "context",
    { is: "text", format: "folder-path", hasTemplates: true },
    {
      default: "the project's folder",
      meaning: "The folder that the Dockerfile can copy from; its .dockerignore is honoured",
      example: "context: .",
      ...BUILT_IMAGE,
    },
  ),
  key(
    "image",
    "stage",
    { is: "text", format: "word", hasTemplates: true },
    {
      default: "the last stage",
      meaning: "The stage of the Dockerfile to stop at",
      example: "stage: test",
      ...BUILT_IMAGE,
    },
  ),
  key("image", "args", mapOf("argument-name", VALUE), {
    default: "none",
    meaning: "Build arguments",
    example: 'args: { VERSION: "1.4" }',
    ...BUILT_IMAGE,
  }),
  key("image", "secrets", texts("secret-name", 100), {
    default: "none",
    meaning: "Secrets for `RUN --mount=type=secret,id=NAME`, never written to a layer",
    example: "secrets: [NPM_TOKEN]",
    ...BUILT_IMAGE,
  }),
  key("image", "pull", choice("missing", "always"), {
    default: "missing",
    meaning: "When to ask the registry again",
    example: "pull: always",
    excludes: ["build"],
    requires: "from",
  }),
  key("image", "timeout", TIMEOUT, {
    default: "60m",
    meaning: "The longest time that the build of the image may take",
    example: "timeout: 30m",
    ...BUILT_IMAGE,
  }),

  key("step", "run", COMMANDS, {
    default: "none; then `image` has to build something, and the build is the test",
    meaning: "The commands; several lines run in one shell",
    example: "run: make check",
  }),
  key("step", "image", IMAGE, {
    default: "the project's image",
    meaning: "Another image for this step",
    example: "image: node:24",
  }),
  key("step", "matrix", MATRIX, {
    default: "none",
    meaning: "Lists of texts per variable; the step runs once for each combination",
    example: 'matrix: { node: ["22", "24"] }',
  }),
  key("step", "services", texts("service-name", 10), {
    default: "none",
    meaning: "Services that run beside this step",
    example: "services: [db]",
  }),
  key("step", "reports", TEMPLATED_PATTERNS, {
    default: "**/junit*.xml and **/TEST-*.xml",
    meaning: "Test results to read, in JUnit's format or TAP",
    example: "reports: out.xml",
  }),
  key("step", "keep", either(TEMPLATED_PATTERNS, keysOf("keep")), {
    default: "none",
    meaning: "Files to keep as artifacts, and to hand to the steps that need this one",
    example: "keep: dist/**",
  }),
  key("step", "retain", either(TEMPLATED_PATTERNS, keysOf("keep")), {
    default: "none",
    meaning: "The former name of `keep`",
    example: "retain: dist/**",
    retired: { by: "keep", until: "2.0" },
  }),
  key("step", "cache", CACHE, {
    default: "the top level's",
    meaning: "Folders that the step finds as an earlier build left them",
    example: "cache: ~/.npm",
  }),
  key("step", "env", ENV, {
    default: "the top level's",
    meaning: "Environment, added to the top level's; the step wins",
    example: "env: { LANG: C.UTF-8 }",
  }),
  key("step", "secrets", SECRETS, {
    default: "none",
    meaning: "Secrets in /run/secrets; `NAME: env` also puts one into the environment",
    example: "secrets: [NPM_TOKEN]",
  }),
  key("step", "needs", texts("step-name"), {
    default: "none",
    meaning: "Tests that must pass first, and whose `keep` files this one gets",
    example: "needs: [lint]",
  }),
  key("step", "only", keysOf("only"), {
    default: "always",
    meaning: "When the step runs; else it is skipped",
    example: "only: { branches: [main] }",
  }),
  key("step", "dir", text("work-dir"), {
    default: "the top level's",
    meaning: "Working directory; `image` is the image's own",
    example: "dir: src",
  }),
  key("step", "user", choice("image", "ci"), {
    default: "image",
    meaning: "The image's own user, or `ci` with uid and gid 1000 and an empty home",
    example: "user: ci",
  }),
  key("step", "network", NETWORK, {
    default: "internet",
    meaning: "What the step can reach; pull requests of forks get at most `mirrors`",
    example: "network: none",
  }),
  key("step", "timeout", TIMEOUT, {
    default: "the top level's",
    meaning: "The longest time that the step may take, from its container's start",
    example: "timeout: 10m",
  }),
  key("step", "idle-timeout", TIMEOUT, {
    default: "30m",
    meaning: "The longest time without output",
    example: "idle-timeout: 5m",
  }),
  key("step", "resources", keysOf("resources"), {
    default: "the top level's",
    meaning: "What the step may use",
    example: "resources: { memory: 8g }",
  }),
  key("step", "allow-failure", SWITCH, {
    default: "false",
    meaning: "The step may fail; the build passes and says so",
    example: "allow-failure: true",
  }),

  key(
    "matrix",
    "except",
    { is: "list", of: mapOf("variable", text("line")), countMax: LIST_COUNT_MAX },
    {
      default: "none",
      meaning: "Combinations to leave out: those that contain all pairs of an entry",
      example: 'except: [{ node: "22" }]',
    },
  ),

  key("keep", "files", TEMPLATED_PATTERNS, {
    default: "required",
    meaning: "The files to keep",
    example: "files: [dist/**]",
    isRequired: true,
  }),
  key("keep", "expires", durationUpTo(365 * DURATION_UNITS.d), {
    default: "30d",
    meaning: "How long they are kept",
    example: "expires: 14d",
  }),
  key("keep", "after", choice("passed", "failed", "always"), {
    default: "passed",
    meaning: "How the step has to end for it",
    example: "after: always",
  }),

  key("cache", "paths", CACHE_PATHS, {
    default: "required",
    meaning: "Folders in ~/ or the workspace",
    example: "paths: [~/.npm]",
    isRequired: true,
  }),
  key("cache", "key-files", TEMPLATED_PATTERNS, {
    default: "the lock files that are found",
    meaning: "Files whose content decides whether a cache still fits",
    example: "key-files: [pnpm-lock.yaml]",
  }),

  key("resources", "cpus", CPUS, {
    default: "2",
    meaning: "Processors",
    example: "cpus: 4",
  }),
  key("resources", "memory", MEMORY, {
    default: "4g",
    meaning: "Memory",
    example: "memory: 8g",
  }),
  key("resources", "pids", PIDS, {
    default: "512",
    meaning: "Processes and threads",
    example: "pids: 1024",
  }),
  key("resources", "disk", DISK, {
    default: "10g",
    meaning: "Disk space",
    example: "disk: 20g",
  }),

  key("service", "image", NAME_OR_PATH, {
    default: "required",
    meaning: "What the service runs: the name of an image, or a Dockerfile",
    example: "image: postgres:17",
    isRequired: true,
  }),
  key("service", "command", ARGUMENTS, {
    default: "the image's",
    meaning: "Arguments, without a shell",
    example: "command: [postgres, -c, fsync=off]",
  }),
  key("service", "env", ENV, {
    default: "none",
    meaning: "Environment of the service",
    example: "env: { POSTGRES_PASSWORD: test }",
  }),
  key("service", "ready", text("command"), {
    default: "the image's HEALTHCHECK, else its lowest port, else one second",
    meaning: "A command inside the service that must exit 0 before the step starts",
    example: "ready: pg_isready -U postgres",
  }),
  key("service", "ready-timeout", durationUpTo(10 * DURATION_UNITS.m), {
    default: "60s",
    meaning: "The longest time until it is ready",
    example: "ready-timeout: 2m",
  }),
  key("service", "resources", keysOf("service-resources"), {
    default: "1 cpu, 1g of memory",
    meaning: "What the service may use, counted apart from the step's",
    example: "resources: { memory: 2g }",
  }),

  key("service-resources", "cpus", CPUS, {
    default: "1",
    meaning: "Processors",
    example: "cpus: 2",
  }),
  key("service-resources", "memory", MEMORY, {
    default: "1g",
    meaning: "Memory",
    example: "memory: 2g",
  }),

  key("package", "spec", text("spec-path"), {
    default: "none; then the keys of a package without a spec are needed",
    meaning: "The spec file",
    example: "spec: hello.spec",
  }),
  key("package", "for", texts("target"), {
    default: "the server's default target, or the image's own distribution",
    meaning: "Distributions, or whole targets such as el9.aarch64",
    example: "for: [el9, el10]",
  }),
  key("package", "arch", texts("arch"), {
    default: "x86_64",
    meaning: "Architectures; `noarch` is built once per distribution and listed for all",
    example: "arch: noarch",
  }),
  key("package", "version", either(text("version"), keysOf("version")), {
    default: "`spec` with a spec, `from-tag` without",
    meaning: "The spec's own version, one from git's tags, or the coming release",
    example: "version: from-tag",
  }),
  key("package", "release", text("release"), {
    default: "auto",
    meaning: "rpm's release: `auto`, `spec`, or the release itself",
    example: "release: auto",
  }),
  key("package", "run", COMMANDS, {
    default: "none",
    meaning: "Commands before rpmbuild, in the project's image",
    example: "run: make",
  }),
  key("package", "image", IMAGE, {
    default: "the target's builder image",
    meaning: "Where rpmbuild runs",
    example: "image: fedora:43",
  }),
  key("package", "repos", texts("source"), {
    default: "none",
    meaning: "More yum sources: channels of this server, or names from its list",
    example: "repos: [epel]",
  }),
  key("package", "network", NETWORK, {
    default: "internet for `run`, none for rpmbuild",
    meaning: "What `run` can reach; `internet` in so many words opens it to rpmbuild too",
    example: "network: internet",
  }),
  key("package", "lint", choice("off", "warn", "error"), {
    default: "warn",
    meaning: "What a complaint of rpmlint does",
    example: "lint: error",
  }),
  key("package", "verify", either(SWITCH, text("command"), keysOf("verify")), {
    default: "true",
    meaning: "Install the packages in a clean container before any channel moves",
    example: "verify: hello --version",
  }),
  key("package", "env", ENV, {
    default: "the top level's",
    meaning: "Environment of `run` and rpmbuild",
    example: "env: { LANG: C.UTF-8 }",
  }),
  key("package", "cache", CACHE, {
    default: "the top level's",
    meaning: "Folders that `run` finds as an earlier build left them",
    example: "cache: ~/.npm",
  }),
  key("package", "secrets", SECRETS, {
    default: "none",
    meaning: "Secrets for `run` and rpmbuild",
    example: "secrets: [NPM_TOKEN]",
  }),
  key("package", "timeout", TIMEOUT, {
    default: "the top level's",
    meaning: "The longest time that the step may take",
    example: "timeout: 2h",
  }),
  key("package", "resources", keysOf("resources"), {
    default: "the top level's",
    meaning: "What the step may use",
    example: "resources: { memory: 8g }",
  }),
  key("package", "only", keysOf("only"), {
    default: "always",
    meaning: "When the package is made; else the step is skipped",
    example: "only: { branches: [main] }",
  }),
  key("package", "define", mapOf("macro-name", { is: "text", format: "line", mayBeEmpty: true }), {
    default: "none",
    meaning: "Macros for rpmbuild's `--define`",
    example: 'define: { with_docs: "1" }',
    requires: "spec",
  }),
  key("package", "with", texts("option-name"), {
    default: "none",
    meaning: "Options for rpmbuild's `--with`",
    example: "with: [systemd]",
    requires: "spec",
  }),
  key("package", "without", texts("option-name"), {
    default: "none",
    meaning: "Options for rpmbuild's `--without`",
    example: "without: [docs]",
    requires: "spec",
  }),
  key("package", "fetch", SWITCH, {
    default: "false",
    meaning: "Sources named only by an address may be downloaded",
    example: "fetch: true",
    requires: "spec",
  }),
  key("package", "source-rpm", SWITCH, {
    default: "true",
    meaning: "Publish the source package too",
    example: "source-rpm: false",
  }),
  key("package", "debuginfo", SWITCH, {
    default: "true with a spec, false without",
    meaning: "Publish debuginfo packages too",
    example: "debuginfo: false",
  }),
  key("package", "name", text("package-name"), {
    default: "required without a spec",
    meaning: "The name of the package",
    example: "name: hello-api",
    ...WITHOUT_SPEC,
  }),
  key("package", "summary", text("line"), {
    default: "required without a spec",
    meaning: "What it is, in one line",
    example: "summary: Greets people over HTTP",
    ...WITHOUT_SPEC,
  }),
  key("package", "license", text("license"), {
    default: "required without a spec",
    meaning: "The license, an SPDX expression",
    example: "license: MIT",
    ...WITHOUT_SPEC,
  }),
  key(
    "package",
    "files",
    mapOf("installed-path", either(text("path"), keysOf("file")), FILES_COUNT_MAX),
    {
      default: "required without a spec",
      meaning: "What is installed where: a path on the installed system and its source",
      example: "files: { /usr/bin/hello: dist/hello }",
      ...WITHOUT_SPEC,
    },
  ),
  key("package", "description", text("text"), {
    default: "the summary",
    meaning: "What it is, in more words",
    example: "description: Greets people in several languages.",
    ...WITHOUT_SPEC,
  }),
  key("package", "url", text("line"), {
    default: "none",
    meaning: "Address of the project",
    example: "url: https://example.com/hello",
    ...WITHOUT_SPEC,
  }),
  key("package", "vendor", text("line"), {
    default: "none",
    meaning: "Who makes it",
    example: "vendor: Acme",
    ...WITHOUT_SPEC,
  }),
  key("package", "requires", texts("relation"), {
    default: "none",
    meaning: "What it needs, in rpm's own syntax",
    example: 'requires: ["nodejs >= 16"]',
    ...WITHOUT_SPEC,
  }),
  key("package", "recommends", texts("relation"), {
    default: "none",
    meaning: "What is installed with it if that can be had",
    example: "recommends: [logrotate]",
    ...WITHOUT_SPEC,
  }),
  key("package", "provides", texts("relation"), {
    default: "none",
    meaning: "Names that it stands in for",
    example: "provides: [greeter]",
    ...WITHOUT_SPEC,
  }),
  key("package", "conflicts", texts("relation"), {
    default: "none",
    meaning: "What cannot be installed beside it",
    example: "conflicts: [goodbye]",
    ...WITHOUT_SPEC,
  }),
  key("package", "obsoletes", texts("relation"), {
    default: "none",
    meaning: "Packages that it replaces",
    example: 'obsoletes: ["hello-old < 2"]',
    ...WITHOUT_SPEC,
  }),
  key("package", "scripts", keysOf("scripts"), {
    default: "none",
    meaning: "Shell scripts that run on the host at installation and removal",
    example: "scripts: { post-install: packaging/post.sh }",
    ...WITHOUT_SPEC,
  }),
  key("package", "users", mapOf("user-name", either(text("line"), keysOf("user"))), {
    default: "none",
    meaning: "System users that it needs, each with a group of the same name",
    example: "users: { hello: Runs hello }",
    ...WITHOUT_SPEC,
  }),

  key("version", "from-tag", text("word"), {
    default: "required",
    meaning: "A pattern of tags; the version is under its star",
    example: 'from-tag: "api-v*"',
    isRequired: true,
  }),

  key("verify", "run", COMMANDS, {
    default: "none; being installed and removed is enough",
    meaning: "Commands that must exit 0 once the packages are installed, as root",
    example: "run: hello --version",
  }),
  key("verify", "upgrade-from", text("channel"), {
    default: "none",
    meaning: "Install the version of this channel first, then upgrade it",
    example: "upgrade-from: stable",
  }),
  key("verify", "timeout", TIMEOUT, {
    default: "30m",
    meaning: "The longest time that it may take",
    example: "timeout: 10m",
  }),

  key("scripts", "pre-install", text("path"), {
    default: "none",
    meaning: "Runs before the files are installed",
    example: "pre-install: packaging/pre.sh",
  }),
  key("scripts", "post-install", text("path"), {
    default: "none",
    meaning: "Runs after the files are installed",
    example: "post-install: packaging/post.sh",
  }),
  key("scripts", "pre-remove", text("path"), {
    default: "none",
    meaning: "Runs before the files are removed",
    example: "pre-remove: packaging/preun.sh",
  }),
  key("scripts", "post-remove", text("path"), {
    default: "none",
    meaning: "Runs after the files are removed",
    example: "post-remove: packaging/postun.sh",
  }),

  key("user", "description", text("line"), {
    default: "the package's summary",
    meaning: "What the user is for",
    example: "description: Runs hello",
  }),
  key("user", "home", text("installed-path"), {
    default: "none",
    meaning: "Home folder",
    example: "home: /var/lib/hello",
  }),
  key("user", "groups", texts("group-name"), {
    default: "none",
    meaning: "Groups that it joins beside its own",
    example: "groups: [tty]",
  }),

  key("file", "from", text("path"), {
    default: "none",
    meaning: "File or folder of the workspace",
    example: "from: dist/hello",
    excludes: ["dir", "link"],
  }),
  key("file", "config", either(choice("noreplace"), SWITCH), {
    default: "false",
    meaning: "A configuration file; `noreplace` keeps what the admin changed",
    example: "config: noreplace",
  }),
  key("file", "mode", text("mode"), {
    default: "git's executable bit; 0755 under a `bin` folder",
    meaning: "Permissions",
    example: 'mode: "0755"',
  }),
  key("file", "owner", text("user-name"), {
    default: "root",
    meaning: "Owner on the installed system",
    example: "owner: hello",
  }),
  key("file", "group", text("group-name"), {
    default: "root",
    meaning: "Group on the installed system",
    example: "group: hello",
  }),
  key("file", "doc", SWITCH, {
    default: "false",
    meaning: "Documentation, which hosts may leave out",
    example: "doc: true",
  }),
  key("file", "license", SWITCH, {
    default: "false",
    meaning: "The text of the license",
    example: "license: true",
  }),
  key(
    "file",
    "dir",
    { is: "switch", only: true },
    {
      default: "false",
      meaning: "An empty folder",
      example: "dir: true",
      excludes: ["link"],
    },
  ),
  key("file", "link", text("line"), {
    default: "none",
    meaning: "A symbolic link to this",
    example: "link: /usr/bin/hello",
  }),

  key("publish-rule", "branch", PATTERNS, {
    default: "none",
    meaning: "Packages of builds of these branches",
    example: "branch: main",
  }),
  key("publish-rule", "tag", PATTERNS, {
    default: "none",
    meaning: "Packages of builds of these tags",
    example: 'tag: "v*"',
  }),
  key("publish-rule", "promote-from", text("channel"), {
    default: "none",
    meaning: "Nothing arrives by itself: a person promotes from this channel",
    example: "promote-from: testing",
    excludes: ["branch", "tag"],
  }),

  key("when", "branches", PATTERNS, {
    default: "the default branch, while no other kind is named",
    meaning: "Pushes to these branches",
    example: 'branches: [main, "release/*"]',
  }),
  key("when", "tags", PATTERNS, {
    default: "all, while no other kind is named",
    meaning: "These tags",
    example: 'tags: "v*"',
  }),
  key("when", "pull-requests", PULL_REQUESTS, {
    default: "true, while no other kind is named",
    meaning: "Pull requests: all, `same-repo` (no forks), or patterns of the base branch",
    example: "pull-requests: true",
  }),
  key("when", "schedule", texts("schedule", 20), {
    default: "none",
    meaning: "Builds of the default branch by the clock, in UTC: cron, `nightly`, `weekly`",
    example: "schedule: nightly",
  }),
  key("when", "paths", PATTERNS, {
    default: "all files",
    meaning: "At least one changed file matches",
    example: 'paths: ["src/**"]',
  }),

  key("only", "branches", PATTERNS, {
    default: "all, while no other kind is named",
    meaning: "On pushes to these branches",
    example: "branches: [main]",
  }),
  key("only", "tags", PATTERNS, {
    default: "all, while no other kind is named",
    meaning: "On these tags",
    example: 'tags: "v*"',
  }),
  key("only", "pull-requests", PULL_REQUESTS, {
    default: "true, while no other kind is named",
    meaning: "On pull requests: all, `same-repo` (no forks), or patterns of the base branch",
    example: "pull-requests: false",
  }),
  key("only", "schedule", SWITCH, {
    default: "true, while no other kind is named",
    meaning: "On builds by the clock",
    example: "schedule: true",
  }),
  key("only", "paths", PATTERNS, {
    default: "all files",
    meaning: "If at least one changed file matches",
    example: 'paths: ["src/**"]',
  }),

  key("checkout", "submodules", SWITCH, {
    default: "false",
    meaning: "Fetch submodules",
    example: "submodules: true",
  }),
  key("checkout", "lfs", SWITCH, {
    default: "false",
    meaning: "Fetch files of Git LFS",
    example: "lfs: true",
  }),

  key("project", "path", text("folder-path"), {
    default: "required",
    meaning: "Its folder; paths and patterns inside the project start here",
    example: "path: services/api",
    isRequired: true,
  }),
  key("project", "also", PATTERNS, {
    default: "none",
    meaning: "Files elsewhere that concern it, from the root of the repo",
    example: 'also: ["proto/**"]',
  }),
  key("project", "needs", texts("project-name"), {
    default: "none",
    meaning: "Projects that run first; when they run, this one runs",
    example: "needs: [common]",
  }),
  key("project", "only", keysOf("only"), {
    default: "always",
    meaning: "When the project runs; else it is skipped",
    example: "only: { branches: [main] }",
  }),
  key("project", "image", IMAGE, {
    default: "the top level's, else ./Dockerfile of its folder, else the server's base image",
    meaning: "What its steps run in",
    example: "image: ./Dockerfile",
  }),
  key("project", "test", TESTS, {
    default: "none",
    meaning: "Its tests",
    example: "test: make check",
  }),
  key("project", "package", PACKAGES, {
    default: "none",
    meaning: "Its packages",
    example: "package: hello.spec",
  }),
  key("project", "publish", PUBLISH, {
    default: "the top level's",
    meaning: "Which commits of it go to which channel",
    example: "publish: dev",
  }),
  key("project", "services", SERVICES, {
    default: "the top level's",
    meaning: "Services, added to the top level's",
    example: "services: { db: postgres:17 }",
  }),
  key("project", "env", ENV, {
    default: "the top level's",
    meaning: "Environment of its steps, added to the top level's",
    example: "env: { LANG: C.UTF-8 }",
  }),
  key("project", "cache", CACHE, {
    default: "the top level's",
    meaning: "Default for its steps",
    example: "cache: ~/.npm",
  }),
  key("project", "timeout", TIMEOUT, {
    default: "the top level's",
    meaning: "Default for its steps",
    example: "timeout: 30m",
  }),
  key("project", "resources", keysOf("resources"), {
    default: "the top level's",
    meaning: "Default for its steps",
    example: "resources: { memory: 8g }",
  }),
  key("project", "dir", text("work-dir"), {
    default: "the top level's",
    meaning: "Working directory of its steps, from its folder",
    example: "dir: src",
  }),
];

/** The rows of one place, in the order of the reference. */
export function keysAt(place: PipelinePlace): readonly PipelineKey[] {
  return ROWS.get(place) ?? [];
}

/** The row of a key in its place. */
export function keyAt(place: PipelinePlace, name: string): PipelineKey | undefined {
  return keysAt(place).find((row) => row.key === name);
}

const ROWS = Map.groupBy(PIPELINE_KEYS, ({ place }) => place);

/** Keys of a step's long form. A map of named steps may not use them as names. */
export const STEP_KEYS: readonly string[] = keysAt("step").map((row) => row.key);
