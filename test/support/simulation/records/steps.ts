import type { JobRecord, Write } from "../../../../src/domain/life/records.ts";
import { isFinal } from "../../../../src/domain/states.ts";
import type { Step } from "./kept.ts";

/** Of each attempt of each job. */
export const STEPS = ["tests"] as const;

type Attempt = Pick<JobRecord, "id" | "attempt">;

/** The steps of all jobs, those of earlier attempts too. */
export class Steps {
  readonly byJob = new Map<string, Step[]>();

  bear({ id: jobId, attempt }: Attempt): void {
    const steps = this.byJob.get(jobId) ?? [];
    for (const name of STEPS) steps.push({ jobId, attempt, name, state: "queued" });
    this.byJob.set(jobId, steps);
  }

  of({ id, attempt }: Attempt): readonly Step[] {
    return (this.byJob.get(id) ?? []).filter((step) => step.attempt === attempt);
  }

  endedCount(attempt: Attempt): number {
    return this.of(attempt).filter(({ state }) => isFinal(state)).length;
  }

  endOpen({ jobId, attempt, running }: Extract<Write, { on: "open-steps" }>): void {
    for (const step of this.of({ id: jobId, attempt })) {
      if (isFinal(step.state)) continue;
      step.state = step.state === "queued" ? "skipped" : running;
    }
  }
}
