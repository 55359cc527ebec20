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
  "KEY_MISSING",
  "KEY_CONFLICT",
  "KEY_RETIRED",
  "VALUE_TYPE",
  "VALUE_EMPTY",
  "VALUE_UNQUOTED",
  "VALUE_CHOICE",
  "NAME_INVALID",
  "NAME_RESERVED",
  "UNIT_MISSING",
  "PATTERN_INVALID",
  "SCHEDULE_INVALID",
  "PATH_INVALID",
  "TEMPLATE_UNKNOWN",
  "TEMPLATE_IN_RUN",
  "ENV_RESERVED",
  "LIMIT_EXCEEDED",
  "PROJECTS_MIXED",
  "IMAGE_PATH",
  "FILE_MISSING",
  "STAGE_UNKNOWN",
  "SPEC_MISSING",
  "SERVICE_UNKNOWN",
  "NEEDS_UNKNOWN",
  "NEEDS_CYCLE",
  "MATRIX_EMPTY",
  "MATRIX_SIZE",
  "TARGET_UNKNOWN",
  "VERSION_INVALID",
  "VERSION_TAG",
  "CHANNEL_UNKNOWN",
  "CHANNEL_FORBIDDEN",
  "PROMOTE_CYCLE",
  "PUBLISH_NOTHING",
  "SECRET_UNKNOWN",
  "SECRET_WITHHELD",
  "RULE_UNREACHABLE",
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
  /** A warning is told and stops nothing. */
  readonly isWarning: boolean;
}
