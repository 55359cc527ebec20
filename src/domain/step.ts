import type { UserFaultCode } from "./faults.ts";

/** How a container ended. `exited` with code 0 is the only success. */
export type ContainerEnd =
  | { readonly how: "exited"; readonly code: number }
  | { readonly how: "out-of-memory" }
  | { readonly how: "over-time" }
  | { readonly how: "silent" }
  | { readonly how: "over-disk" };

/** A step either passed, or the user's side said no. That we could not find out is thrown. */
export type StepOutcome =
  | { readonly state: "passed" }
  | { readonly state: "failed"; readonly failure: StepFailure };

/** Why the user's side said no, in the words that page, API and commit status share. */
export interface StepFailure {
  readonly code: UserFaultCode;
  readonly message: string;
  readonly hint: string | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly exitCode: number | null;
}

export const STEP_KINDS = ["checkout", "image", "test", "package", "verify"] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** A step as the plan names it. */
export interface PlannedStep {
  /** Its id: `unit-22`. */
  readonly name: string;
  /** As people read it: `unit (node 22)`. */
  readonly title: string;
  readonly kind: StepKind;
  /** Why it does not run; null: it does. */
  readonly skip: string | null;
}
