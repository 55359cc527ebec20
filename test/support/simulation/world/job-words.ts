import type { Lease } from "../records/kept.ts";
import type { Records } from "../records/records.ts";
import { STEPS } from "../records/steps.ts";
import { oneOf } from "./one-of.ts";
import { PLANS } from "./plans.ts";
import type { Promises } from "./promises.ts";

/** What a worker has in memory of the job that it works on. */
export interface HeldJob extends Lease {
  /** Index of what it says next: its plan, its steps, its end. */
  word: number;
  isCancelled: boolean;
}

/** To a worker: does its job still concern it? */
export type Answer = "go-on" | "over";

/** A step is said to run, and to have ended. */
const WORD_COUNT = 1 + STEPS.length * 2;

/** What workers say of a job, a word at a time: its plan, its steps, and how it ended. */
export class JobWords {
  /** Job → the machine that it wants. */
  readonly archOf = new Map<string, string>();
  readonly #records: Records;
  readonly #promises: Promises;

  constructor(records: Records, promises: Promises) {
    this.#records = records;
    this.#promises = promises;
  }

  say(held: HeldJob, how: number): Answer {
    const { word } = held;
    if (word === 0) return this.#sayPlan(held, how);
    if (held.isCancelled) return this.#sayEnd(held, "cancelled");
    if (word < WORD_COUNT) return this.#sayStep(held, how);
    if (how % 26 === 25) return this.#sayFault(held, "infra-fault", "COMMIT_GONE");
    if (how % 13 === 12) return this.#sayFault(held, "infra-fault", "INTERNAL");
    if (how % 13 === 11) return this.#sayFault(held, "handed-back", "INTERNAL");
    return this.#sayEnd(held, oneOf(JOB_ENDS, how));
  }

  #sayPlan(held: HeldJob, how: number): Answer {
    const { jobs, nothingToDo, publishes } = oneOf(PLANS, how);
    // Where all that can start wants another machine, the planner's attempt counts for nothing.
    this.#promises.forgiven(held.id);
    const own = this.#promises.fenced(held, () =>
      this.#records.jobs.plan(held, jobs, { nothingToDo, publishes }),
    );
    const { life } = this.#records.lives.buildOfJob(held.id);
    for (const [index, { arch }] of jobs.entries()) {
      const job = life.jobs[index];
      if (arch !== null && job !== undefined) this.archOf.set(job.id, arch);
    }
    return own === undefined ? "over" : "go-on";
  }

  #sayStep(held: HeldJob, how: number): Answer {
    const name = oneOf(STEPS, Math.floor((held.word - 1) / 2));
    const ended = how % 11 === 10 ? "failed" : "passed";
    const state = held.word % 2 === 1 ? "running" : ended;
    const isTaken = this.#promises.fenced(held, () => this.#records.jobs.step(held, name, state));
    return isTaken ? "go-on" : "over";
  }

  #sayEnd(held: HeldJob, state: "passed" | "failed" | "cancelled"): "over" {
    const { jobs, lives } = this.#records;
    const end = { state, reason: null, failureTitle: state === "failed" ? "it failed" : null };
    const hasPackages = lives.job(held.id).kind === "build" && state === "passed";
    this.#promises.fenced(held, () => jobs.end(held, end, hasPackages));
    return "over";
  }

  #sayFault(
    held: HeldJob,
    kind: "infra-fault" | "handed-back",
    code: "INTERNAL" | "COMMIT_GONE",
  ): "over" {
    const { jobs } = this.#records;
    const isTaken = this.#promises.fenced(held, () => jobs.fault(held, kind, code));
    if (isTaken && kind === "handed-back") this.#promises.forgiven(held.id);
    return "over";
  }
}

const JOB_ENDS = ["passed", "passed", "passed", "passed", "failed"] as const;
