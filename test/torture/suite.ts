import type { Violation } from "./invariants/violation.ts";

export interface SuiteOptions {
  readonly seed: number;
  readonly count: number;
  /** Keeps the folder of the instance, to look at a failure. */
  readonly keep: boolean;
  /** A line for people. */
  readonly tell: (line: string) => void;
}

export interface Outcome {
  /** What was promised: answers of 2xx, and pushes that git took. */
  readonly accepted: number;
  /** Faults that were dealt: kills, cuts, pauses. */
  readonly kills?: number;
  readonly violations: readonly Violation[];
}

export type Suite = (options: SuiteOptions) => Promise<Outcome>;
