/**
 * The keys of `.tatara.yml`, as plain data: the one source of the checks of a file's shape, of "did
 * you mean" and of the reference page (docs/reference/pipeline-file.md, held equal by a test). A new
 * key is a row here, a reader in shared/pipeline-shape.ts and a line in the reference.
 */
export interface PipelineKey {
  /** Where the key may stand. */
  readonly place: "top";
  readonly key: string;
  /** What the value is, as a message says it: `"image" takes <takes>, not a map`. */
  readonly takes: string;
  /** What to give it, as a hint says it: `give it <noun>, or remove the line`. */
  readonly noun: string;
  readonly default: string;
  /** One sentence, without a full stop. */
  readonly meaning: string;
  /** A line that is right as it stands. */
  readonly example: string;
  /** Version of Tatara that first knew the key. */
  readonly since: string;
}

export const PIPELINE_KEYS = [
  {
    place: "top",
    key: "image",
    takes: "a path like ./Dockerfile or the name of an image",
    noun: "an image",
    default: "./Dockerfile if it exists, else the server's base image",
    meaning: "What the steps run in: a Dockerfile of the commit, or an image of a registry",
    example: "image: ./Dockerfile",
    since: "0.1",
  },
  {
    place: "top",
    key: "test",
    takes: "a command or a map of named commands",
    noun: "a command",
    default: "none",
    meaning: "Commands that must exit 0; one makes the step `test`, a map a step per name",
    example: "test: make check",
    since: "0.1",
  },
  {
    place: "top",
    key: "package",
    takes: "the path of a .spec file",
    noun: "a spec file",
    default: "none",
    meaning: "The spec file that the RPMs are built from",
    example: "package: hello.spec",
    since: "0.1",
  },
  {
    place: "top",
    key: "publish",
    takes: "a channel",
    noun: "a channel",
    default: "nothing is published",
    meaning: "The channel that packages of the default branch go to",
    example: "publish: dev",
    since: "0.1",
  },
] as const satisfies readonly PipelineKey[];

export type PipelineKeyName = (typeof PIPELINE_KEYS)[number]["key"];

/** What other systems call our keys. The first one that may stand in the same place is suggested. */
export const OTHER_WORDS: Readonly<Record<string, readonly string[]>> = {
  channel: ["publish"],
  channels: ["publish"],
  check: ["test"],
  checks: ["test"],
  command: ["run", "test"],
  commands: ["run", "test"],
  container: ["image"],
  deploy: ["publish"],
  docker: ["image"],
  dockerfile: ["image"],
  from: ["image"],
  jobs: ["test"],
  release: ["publish"],
  repository: ["publish"],
  rpm: ["package"],
  rpms: ["package"],
  run: ["test"],
  script: ["run", "test"],
  scripts: ["run", "test"],
  spec: ["package"],
  specfile: ["package"],
  stages: ["test"],
  steps: ["test"],
  tasks: ["test"],
};

/**
 * Keys of a step's long form. A map under `test` may not use them as names: with `run` in it, such a
 * map will one day be the long form of a single step, and must not have meant something else before.
 */
export const STEP_KEYS = [
  "run",
  "image",
  "matrix",
  "services",
  "reports",
  "keep",
  "cache",
  "env",
  "secrets",
  "needs",
  "only",
  "dir",
  "user",
  "network",
  "timeout",
  "idle-timeout",
  "resources",
  "allow-failure",
] as const;

/** Limits of the file. At each of them the answer is `LIMIT_EXCEEDED`. */
export const PIPELINE_BYTES_MAX = 1024 * 1024;
export const PIPELINE_LEVELS_MAX = 20;
export const PIPELINE_NODES_MAX = 10_000;
/** Comments, blank lines and punctuation count here; 10,000 values in lines of their own need 30,000. */
export const PIPELINE_TOKENS_MAX = 40_000;
/** Steps of a job, `checkout`, `image` and `package` included. */
export const PIPELINE_STEPS_MAX = 100;
/** Linux gives a process no argument of 128 KiB or more, and a command is one argument of `sh`. */
export const PIPELINE_COMMAND_BYTES_MAX = 100 * 1024;
