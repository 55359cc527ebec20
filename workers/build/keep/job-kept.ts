import type { KeepRule } from "../../../src/domain/pipeline.ts";

/** A file that a step left and others may need, on this worker's disk while the job runs. */
export interface KeptCopy {
  /** In the workspace, without a leading slash. */
  readonly path: string;
  /** Where its bytes are on this worker. */
  readonly diskPath: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly isExecutable: boolean;
}

export interface KeptSet {
  readonly files: readonly KeptCopy[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

/** What a whole build may keep; one per job, since tests run in one job of a project. */
export interface KeepBudget {
  /** Takes a file's place; false: there is none. */
  take(sizeBytes: number): boolean;
}

export const KEEP_LIMITS = {
  fileBytesMax: 1024 ** 3,
  buildBytesMax: 2 * 1024 ** 3,
  filesMax: 10_000,
} as const;

export type KeepLimits = { readonly [K in keyof typeof KEEP_LIMITS]: number };

export function keepBudget({ buildBytesMax, filesMax }: KeepLimits = KEEP_LIMITS): KeepBudget {
  let bytes = 0;
  let files = 0;
  return {
    take: (sizeBytes) => {
      if (bytes + sizeBytes > buildBytesMax || files + 1 > filesMax) return false;
      bytes += sizeBytes;
      files += 1;
      return true;
    },
  };
}

export function isKeptAfter({ after }: KeepRule, hasPassed: boolean): boolean {
  return after === "always" || (after === "passed") === hasPassed;
}

/** What the steps of one attempt have kept so far. */
export interface JobKept {
  readonly budget: KeepBudget;
  add(step: string, files: readonly KeptCopy[]): void;
  /** Files of these steps; of two with one path the later step's. */
  of(steps: readonly string[]): readonly KeptCopy[];
}

export function jobKept(): JobKept {
  const sets = new Map<string, readonly KeptCopy[]>();
  return {
    budget: keepBudget(),
    add: (step, files) => void sets.set(step, files),
    of: (steps) => {
      const files = new Map<string, KeptCopy>();
      for (const step of steps) for (const file of sets.get(step) ?? []) files.set(file.path, file);
      return [...files.values()];
    },
  };
}
