/**
 * Every coded fault. A *user fault* means that the pushed repository cannot be built as it is, so
 * trying again cannot help; an *infra fault* means that we, the engine or the network could not.
 * Codes are stable: they appear on pages, in the API and in commit statuses, and each is explained
 * in docs/reference/errors.md (a test holds both lists equal).
 */
export const USER_FAULT_CODES = [
  "PIPELINE_FILE_INVALID",
  "FILE_MISSING",
  "SPEC_MISSING",
  "SPEC_INVALID",
  "SPEC_SOURCE_MISSING",
  "IMAGE_UNKNOWN",
  "IMAGE_BUILD_FAILED",
  "DOCKERFILE_INVALID",
  "DOCKERFILE_NEEDS_BUILDKIT",
  "NO_SHELL",
  "STEP_FAILED",
  "STEP_TIMEOUT",
  "STEP_SILENT",
  "SERVICE_NOT_READY",
  "DISK_LIMIT",
  "ARTIFACT_LIMIT",
  "OUT_OF_MEMORY",
  "RPM_BUILD_FAILED",
  "BUILD_REQUIRES_MISSING",
  "CHECKOUT_LIMIT",
  "CHECKOUT_UNSUPPORTED",
  "PACKAGE_LIMIT",
  "CHANNEL_UNKNOWN",
  "PACKAGE_INVALID",
  "NEVRA_TAKEN",
  "PACKAGE_SIGNED",
  "PACKAGE_NAME_TAKEN",
  "PACKAGE_NAME_RESERVED",
  "PROVIDES_FOREIGN",
  "OBSOLETES_FOREIGN",
  "VERSION_LOWER",
  "EPOCH_JUMP",
  "CHANNEL_FORBIDDEN",
  "REQUIRES_UNSATISFIED",
  "FILE_CONFLICT",
  "ERRATA_INVALID",
  "NO_PACKAGES",
  "RPM_LINT",
  "VERSION_TAG",
  "VERIFY_FAILED",
  "SECRET_UNKNOWN",
  "TARGET_UNKNOWN",
  "STEP_UNKNOWN",
] as const;

export const INFRA_FAULT_CODES = [
  "ENGINE_UNAVAILABLE",
  "ENGINE_FAILED",
  "IMAGE_UNAVAILABLE",
  "CANNOT_FETCH",
  "COMMIT_GONE",
  "WORKER_LOST",
  "NO_WORKER",
  "ARTIFACT_CHANGED",
  "SIGNING_FAILED",
  "PUBLISH_FAILED",
  "DISK_FULL",
  "INTERNAL",
] as const;

export type UserFaultCode = (typeof USER_FAULT_CODES)[number];
export type InfraFaultCode = (typeof INFRA_FAULT_CODES)[number];
export type FaultCode = UserFaultCode | InfraFaultCode;

export interface UserFaultDetails {
  /** What to do about it, for the person who pushed. */
  readonly hint: string;
  /** Where in the repository, when one place is to blame. */
  readonly file?: string;
  readonly line?: number;
  readonly cause?: unknown;
}

/** The pushed repository cannot be built as it is. Trying again cannot help. */
export class UserFault extends Error {
  override readonly name = "UserFault";
  readonly code: UserFaultCode;
  readonly hint: string;
  readonly file: string | undefined;
  readonly line: number | undefined;

  constructor(code: UserFaultCode, message: string, details: UserFaultDetails) {
    super(message, { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.file = details.file;
    this.line = details.line;
  }
}

export interface InfraFaultDetails {
  /** Of "COMMIT_GONE": where the same fetch saw the ref; null: nowhere, it is gone too. */
  readonly refTip?: string | null;
  readonly cause?: unknown;
}

/** We or the network could not. The server decides whether another attempt is granted. */
export class InfraFault extends Error {
  override readonly name = "InfraFault";
  readonly code: InfraFaultCode;
  readonly refTip: string | null | undefined;

  constructor(code: InfraFaultCode, message: string, { cause, refTip }: InfraFaultDetails = {}) {
    super(message, { cause });
    this.code = code;
    this.refTip = refTip;
  }
}
