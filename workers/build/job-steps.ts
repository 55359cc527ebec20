import { failureCard } from "../../src/domain/failure-card.ts";
import type { FailureCard } from "../../src/domain/failure-card.ts";
import { UserFault } from "../../src/domain/faults.ts";
import type { CommitTree } from "../../src/domain/pipeline.ts";
import type { StepFailure } from "../../src/domain/step.ts";
import type { JobRecord } from "./job-record.ts";
import type { Lease } from "./lease.ts";
import type { StepLog } from "./log/step-log.ts";

/** What a step's body returns: passed, with whatever it made, or the user's side said no. */
export type Outcome =
  | { readonly state: "passed"; readonly note?: string | null }
  | { readonly state: "failed"; readonly failure: StepFailure };

/** A step that did not pass, with all that its card needs. */
export interface FailedStep {
  readonly state: "failed";
  readonly step: string;
  readonly failure: StepFailure;
}

export type Passed<T extends Outcome> = Exclude<T, { readonly state: "failed" }>;

export interface JobSteps {
  /**
   * Runs one step and records how it went. A user fault is a failure of the step; any other error is
   * recorded and goes on. `startedAt` is given when its work began before it could be shown.
   */
  run<T extends Outcome>(
    name: string,
    body: (log: StepLog) => Promise<T>,
    startedAt?: number,
  ): Promise<Passed<T> | FailedStep>;
  card(failed: FailedStep, tree: Pick<CommitTree, "has" | "files"> | undefined): FailureCard;
  /** Name of the step that an error came out of. */
  broken(): string | null;
}

export function jobSteps({
  record,
  lease,
  now,
}: {
  readonly record: JobRecord;
  readonly lease: Lease;
  readonly now: () => number;
}): JobSteps {
  let broken: string | null = null;

  const run: JobSteps["run"] = async (name, body, begunAt) => {
    await lease.renewed();
    const startedAt = begunAt ?? now();
    const ended = (
      state: "passed" | "failed" | "errored",
      failure: StepFailure | null,
      note = "",
    ) =>
      record.step(name, {
        state,
        startedAt,
        endedAt: Math.max(startedAt, now()),
        failure: failure && fitting(failure),
        note: note.slice(0, 200) || null,
      });
    record.step(name, { state: "running", startedAt });
    try {
      const outcome = await body(record.log(name));
      if (outcome.state === "failed") {
        ended("failed", outcome.failure);
        return { state: "failed", step: name, failure: outcome.failure };
      }
      ended("passed", null, outcome.note ?? "");
      return outcome as Passed<typeof outcome>;
    } catch (err) {
      if (lease.signal.aborted) throw err;
      if (err instanceof UserFault) {
        const failure = failureOf(err);
        record.log(name).say(`tatara: ${err.message}\ntatara: ${err.hint}`);
        ended("failed", failure);
        return { state: "failed", step: name, failure };
      }
      broken ??= name;
      ended("errored", null);
      throw err;
    }
  };

  return {
    run,
    card: ({ step, failure }, tree) =>
      failureCard({ step, fault: failure, log: record.log(step).tail(), tree }),
    broken: () => broken,
  };
}

function failureOf({ code, message, hint, file, line }: UserFault): StepFailure {
  return { code, message, hint, file: file ?? null, line: line ?? null, exitCode: null };
}

/** Sizes that the protocol lets through. */
function fitting(failure: StepFailure): StepFailure {
  return {
    ...failure,
    message: failure.message.slice(0, 4_000),
    hint: failure.hint?.slice(0, 2_000) ?? null,
    file: failure.file?.slice(0, 1_000) ?? null,
  };
}
