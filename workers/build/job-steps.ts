import { failureCard, withOtherSteps } from "../../src/domain/failure-card.ts";
import type { FailureCard } from "../../src/domain/failure-card.ts";
import { UserFault } from "../../src/domain/faults.ts";
import type { CommitTree } from "../../src/domain/pipeline.ts";
import type { PlannedStep, StepFailure } from "../../src/domain/step.ts";
import type { StepDetails, TestResult } from "../../src/shared/build-messages.ts";
import type { JobRecord } from "./job-record.ts";
import type { Lease } from "./lease.ts";
import type { StepLog } from "./log/step-log.ts";
import type { JobMemory } from "./resume/job-memory.ts";
import type { EndedStep, StepMemo } from "./resume/journal.ts";

/** What a step's body returns: passed, with whatever it made, or the user's side said no. */
export type Outcome =
  | {
      readonly state: "passed";
      readonly note?: string | null;
      /**
       * What is still read or saved of a step that has passed. Nothing waits for it but the word of
       * its end: what comes next in the job begins at once.
       */
      readonly later?: Promise<unknown>;
      /** When its command ended, where that was before the body did; undefined: now. */
      readonly endedAt?: number | undefined;
      /** What the rest of the job needs of it, should this worker be restarted. */
      readonly memo?: StepMemo | undefined;
    }
  | {
      readonly state: "failed";
      readonly failure: StepFailure;
      /** Of its reports, those that failed: the card knows more by them. */
      readonly tests?: readonly TestResult[];
    };

/** What a step's body learns of itself, for the page. */
export interface StepNotes {
  /** Added to what is known already; lists grow. */
  add(details: Partial<StepDetails>): void;
}

/** A step that did not pass, with all that its card needs. */
export interface FailedStep {
  readonly state: "failed";
  readonly step: string;
  readonly failure: StepFailure;
  readonly tests: readonly TestResult[];
  readonly isAllowed: boolean;
}

export type Passed<T extends Outcome> = Exclude<T, { readonly state: "failed" }>;

export interface JobSteps {
  /**
   * Runs one step and records how it went. A user fault is a failure of the step; any other error is
   * recorded and goes on.
   */
  run<T extends Outcome>(
    name: string,
    body: (log: StepLog, notes: StepNotes) => Promise<T>,
    options?: StepOptions<T>,
  ): Promise<Passed<T> | FailedStep>;
  /** Resolves when the end of every step that has ended is on its way to the server. */
  told(): Promise<void>;
  /** It never ran, and why. */
  skip(name: string, reason: string): void;
  /** Of the first of those that failed; it names the others. */
  card(
    failed: readonly [FailedStep, ...FailedStep[]],
    facts: {
      readonly tree?: Pick<CommitTree, "has" | "files"> | undefined;
      /** The job's, for the titles. */
      readonly planned: readonly PlannedStep[];
    },
  ): FailureCard;
  /** Name of the step that an error came out of. */
  broken(): string | null;
}

export interface StepOptions<T extends Outcome = Outcome> {
  /** What came of it when it passed in an earlier life of this worker; nothing of it is told again. */
  readonly again?: (memo: StepMemo) => Promise<Passed<T>>;
  /** Given when its work began before it could be shown. */
  readonly startedAt?: number | undefined;
  /** It may fail: the job goes on. */
  readonly isAllowedToFail?: boolean;
}

const WARNINGS_MAX = 50;
/** As many as a card can name. */
const OTHERS_MAX = 20;

export function jobSteps({
  record,
  lease,
  now,
  memory,
}: {
  readonly record: JobRecord;
  readonly lease: Lease;
  readonly now: () => number;
  readonly memory: Pick<JobMemory, "ended">;
}): JobSteps {
  let broken: string | null = null;
  const telling = new Set<Promise<void>>();

  const run: JobSteps["run"] = async (name, body, options = {}) => {
    await lease.renewed();
    const before = memory.ended.get(name);
    const failed = before && failedBefore(before);
    if (failed) return failed;
    if (before && options.again) return await options.again(before.memo);
    const startedAt = options.startedAt ?? now();
    const isAllowed = options.isAllowedToFail === true;
    const details = gatherDetails();
    const ended = (
      state: "passed" | "failed" | "errored",
      failure: StepFailure | null,
      {
        note = "",
        endedAt = now(),
        memo = {},
      }: { readonly note?: string; readonly endedAt?: number; readonly memo?: StepMemo } = {},
    ) => {
      if (state === "failed" && isAllowed) details.add({ isAllowed });
      if (failure !== null && failure.exitCode !== null) {
        details.add({ exitCode: failure.exitCode });
      }
      const end = {
        state,
        startedAt,
        endedAt: Math.max(startedAt, endedAt),
        failure: failure && fitting(failure),
        note: note.slice(0, 200) || null,
        details: details.read(),
      };
      record.step(name, end, memo);
    };
    const fail = (failure: StepFailure, tests: FailedStep["tests"] = []): FailedStep => {
      ended("failed", failure, { memo: { tests: [...tests], isAllowed } });
      return { state: "failed", step: name, failure, tests, isAllowed };
    };
    record.step(name, { state: "running", startedAt });
    try {
      const outcome = await body(record.log(name), details);
      if (outcome.state === "failed") return fail(outcome.failure, outcome.tests);
      const { later, note, endedAt = now(), memo = {} } = outcome;
      const tell = () => ended("passed", null, { note: note ?? "", endedAt, memo });
      if (later === undefined) tell();
      // It has passed, whatever becomes of that.
      else track(telling, later.then(tell, tell));
      return outcome as Passed<typeof outcome>;
    } catch (err) {
      if (lease.signal.aborted) throw err;
      if (err instanceof UserFault) {
        record.log(name).say(`tatara: ${err.message}\ntatara: ${err.hint}`);
        return fail(failureOf(err));
      }
      broken ??= name;
      ended("errored", null);
      throw err;
    }
  };

  return {
    run,
    told: async () => void (await Promise.all(telling)),
    skip: (name, reason) => {
      if (memory.ended.has(name)) return;
      const note = reason.slice(0, 200);
      const never = { startedAt: null, endedAt: now(), failure: null, details: null };
      record.step(name, { state: "skipped", ...never, note });
    },
    card: ([first, ...others], { tree, planned }) => {
      const cardOf = ({ step, failure, tests }: FailedStep) => {
        const stepTitle = planned.find(({ name }) => name === step)?.title;
        const log = record.log(step).tail();
        return failureCard({ step, stepTitle, fault: failure, log, tree, tests });
      };
      return withOtherSteps(cardOf(first), others.slice(0, OTHERS_MAX).map(cardOf));
    },
    broken: () => broken,
  };
}

function track(all: Set<Promise<void>>, work: Promise<void>): void {
  all.add(work);
  void work.finally(() => all.delete(work));
}

/** A step that had not passed before this worker was restarted, as its card needs it. */
function failedBefore({ step, message, memo }: EndedStep): FailedStep | undefined {
  if (message.state !== "failed" || message.failure === null) return undefined;
  const { tests = [], isAllowed = false } = memo;
  return { state: "failed", step, failure: message.failure, tests, isAllowed };
}

const NO_DETAILS: StepDetails = {
  exitCode: null,
  memoryPeakBytes: null,
  memoryLimitBytes: null,
  reuse: [],
  services: [],
  shellUntil: null,
  isAllowed: false,
  warnings: [],
};

function gatherDetails(): StepNotes & { read(): StepDetails | null } {
  let known: StepDetails | null = null;
  return {
    add: (more) => {
      const before = known ?? NO_DETAILS;
      known = {
        ...before,
        ...more,
        reuse: [...before.reuse, ...(more.reuse ?? [])].slice(0, 50),
        services: [...before.services, ...(more.services ?? [])].slice(0, 10),
        warnings: [...before.warnings, ...(more.warnings ?? [])]
          .map((line) => line.slice(0, 1_000))
          .slice(0, WARNINGS_MAX),
      };
    },
    read: () => known,
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
