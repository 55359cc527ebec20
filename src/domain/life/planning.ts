import { requeueUncounted, skipJob } from "./job-ends.ts";
import { startBuild } from "./lease.ts";
import type { BirthOfJob } from "./moves.ts";
import { after, type BuildLife, type JobRecord, type Verdict } from "./records.ts";

/** What of a planned job says where it runs and when it may. */
export interface PlannedPlace {
  readonly kind: JobRecord["kind"];
  /** Why it does not run; null: it does. */
  readonly skip: string | null;
  /** How many jobs must have passed before. */
  readonly needsCount: number;
  readonly arch: string | null;
}

/** How a planned job begins. */
export function birthOfJob({ skip, needsCount, kind }: PlannedPlace): {
  readonly state: BirthOfJob;
  readonly isBlocked: 0 | 1;
} {
  if (skip !== null) return { state: "skipped", isBlocked: 0 };
  return { state: "queued", isBlocked: needsCount > 0 || kind === "verify" ? 1 : 0 };
}

/** Which of the planned jobs the planning worker goes on with. */
export interface OwnPlace {
  readonly index: number;
  /** False: all that could start wants another machine. */
  readonly fits: boolean;
}

export function ownPlace(jobs: readonly PlannedPlace[], workerArch: string | null): OwnPlace {
  const found = jobs.findIndex(
    ({ skip, needsCount, arch }) => skip === null && needsCount === 0 && suits(arch, workerArch),
  );
  return { index: Math.max(0, found), fits: found !== -1 };
}

/** What is not known to be another machine's may be taken. */
export function suits(arch: string | null, workerArch: string | null): boolean {
  return arch === null || workerArch === null || arch === workerArch;
}

/**
 * The plan is recorded and its jobs are there; `job` is the planner's, which has taken its place.
 * It goes on, goes back to the queue for another machine, or is skipped; the build starts, or ends
 * since there is nothing to do.
 */
export function afterPlan(
  life: BuildLife,
  job: JobRecord,
  plan: {
    readonly nothingToDo: string | null;
    /** Of the job's own place. */
    readonly skip: string | null;
    readonly fits: boolean;
  },
  now: number,
): Verdict {
  const skip = plan.skip ?? plan.nothingToDo;
  if (skip !== null) {
    const skipped = skipJob(life, job, skip, now);
    const { build } = after(life, skipped.writes);
    return { ...skipped, writes: [...skipped.writes, ...startBuild(build, now)] };
  }
  const requeued = plan.fits ? [] : requeueUncounted(job, now);
  return { writes: [...requeued, ...startBuild(life.build, now)], next: "nothing" };
}
