export type RpmRefusedCode =
  | "NOT_RPM"
  | "TRUNCATED"
  | "TOO_LARGE"
  | "MALFORMED"
  | "UNSUPPORTED"
  | "DIGEST_MISMATCH";

/** An RPM that we do not take. The message is a sentence for the person who pushed it. */
export class RpmRefused extends Error {
  override readonly name = "RpmRefused";
  readonly code: RpmRefusedCode;

  constructor(code: RpmRefusedCode, message: string) {
    super(message);
    this.code = code;
  }
}
