import { nearSpelling } from "./near-spelling.ts";
import type { PlannedStep } from "./step.ts";

/** What `.tatara.yml` says, short forms written out. */
export interface Pipeline {
  readonly image: PipelineImage;
  /** In the order of the file; empty when the file names no test. */
  readonly tests: readonly PipelineTest[];
  /** Path of the spec file from the root of the repo, or null. */
  readonly spec: string | null;
  /** Channel that builds of the default branch publish to, or null. */
  readonly publish: string | null;
}

/** A Dockerfile of the commit, a named image, or the server's base image. */
export type PipelineImage =
  | { readonly kind: "dockerfile"; readonly path: string }
  | { readonly kind: "named"; readonly name: string }
  | { readonly kind: "base" };

export interface PipelineTest {
  /** Name of the step: `test`, or the key of the map. */
  readonly name: string;
  /** Shell text, passed on untouched. */
  readonly run: string;
}

/** The file's name. It lies in the root of the repo. */
export const PIPELINE_FILE = ".tatara.yml";

/** The files of the commit that is built, paths from the root of the repo. */
export interface CommitTree {
  /** Is there a file (not a folder) at this path? */
  has(path: string): boolean;
  files(): readonly string[];
  /** Seven digits, as messages show them. */
  readonly shortSha: string;
}

/** Codes of mistakes in the pipeline file. Stable, and explained in docs/reference/errors.md. */
export const PIPELINE_PROBLEM_CODES = [
  "FILE_NAME",
  "FILE_ENCODING",
  "FILE_EMPTY",
  "YAML_SYNTAX",
  "YAML_TAB",
  "YAML_DUPLICATE_KEY",
  "YAML_ALIAS",
  "YAML_TAG",
  "YAML_DOCUMENTS",
  "KEY_UNKNOWN",
  "VALUE_TYPE",
  "VALUE_EMPTY",
  "VALUE_UNQUOTED",
  "NAME_INVALID",
  "NAME_RESERVED",
  "PATH_INVALID",
  "LIMIT_EXCEEDED",
  "IMAGE_PATH",
  "FILE_MISSING",
  "SPEC_MISSING",
  "CHANNEL_UNKNOWN",
  "PUBLISH_NOTHING",
] as const;
export type PipelineProblemCode = (typeof PIPELINE_PROBLEM_CODES)[number];

/**
 * One mistake in the pipeline file, as it is shown everywhere. Lines and columns count from 1,
 * columns in UTF-16 units as editors count.
 */
export interface PipelineProblem {
  readonly code: PipelineProblemCode;
  readonly line: number;
  readonly column: number;
  /** How many characters of that line to underline. */
  readonly length: number;
  readonly message: string;
  readonly hint: string;
}

/** Step names that a test cannot have, since every job has steps of these names. */
export const RESERVED_STEP_NAMES = ["checkout", "image", "package", "verify", "publish"] as const;

/** The steps of a job that runs this pipeline, in order. */
export function stepsOf(pipeline: Pipeline): readonly PlannedStep[] {
  return [
    { name: "checkout", kind: "checkout" },
    { name: "image", kind: "image" },
    ...pipeline.tests.map(({ name }) => ({ name, kind: "test" as const })),
    ...(pipeline.spec === null ? [] : [{ name: "package", kind: "package" as const }]),
  ];
}

/** Why packages cannot go to the channel, or undefined. Only the server knows which ones it has. */
export function channelProblem(
  name: string,
  channels: readonly string[],
): Pick<PipelineProblem, "message" | "hint"> | undefined {
  if (channels.includes(name)) return undefined;
  const near = nearSpelling(name, channels);
  const didYouMean = near === undefined ? "" : `did you mean "${near}"? `;
  return {
    message: `no channel "${name}" on this server`,
    hint: `${didYouMean}channels: ${channels.join(", ")}`,
  };
}
