import { pipelineFileCard } from "../../../src/domain/failure-card.ts";
import type { FailureCard } from "../../../src/domain/failure-card.ts";
import type { PlannedJob } from "../../../src/domain/job-spec.ts";
import { planJobs } from "../../../src/domain/plan-jobs.ts";
import { selectSteps } from "../../../src/domain/select-steps.ts";
import { readPipeline } from "../../../src/shared/pipeline-file.ts";
import type { LocalRequest } from "../../../src/shared/local-messages.ts";
import { readFrom, withTexts } from "../source/plan-job.ts";
import type { Commit } from "../source/commit.ts";

export type LocalPlan =
  | {
      readonly kind: "jobs";
      readonly jobs: readonly Pick<PlannedJob, "spec" | "needs" | "skip">[];
      readonly note: string | null;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "invalid"; readonly failure: FailureCard }
  | { readonly kind: "nothing-to-do"; readonly reason: string }
  | { readonly kind: "refused"; readonly message: string; readonly hint: string };

export interface LocalTargets {
  readonly defaultTarget: string;
  readonly targets: readonly string[];
}

/**
 * The jobs that a server would make of the commit, and of them the steps that were asked for. Channels
 * and secrets are not looked at: nothing is published, and no secret is here.
 */
export async function planLocal(
  request: LocalRequest,
  commit: Commit,
  { defaultTarget, targets }: LocalTargets,
  signal: AbortSignal,
): Promise<LocalPlan> {
  if (request.jobs !== null) {
    const jobs = request.jobs.map((job): PlannedJob => ({ ...job, arch: null }));
    return chosen(jobs, request.steps, { note: null, warnings: [] });
  }
  const bytes = await readFrom(commit, signal);
  const reading = readPipeline(bytes, await withTexts(bytes, commit, signal));
  if (reading.kind === "invalid") {
    return { kind: "invalid", failure: pipelineFileCard({ ...reading, step: null }) };
  }
  if (reading.kind === "nothing-to-do") return reading;
  const { build, params, fresh } = request;
  const plan = planJobs(reading.pipeline, {
    git: {
      sha: commit.sha,
      ref: build.ref,
      defaultBranch: build.defaultBranch,
      event: build.event,
      pullRequest: build.pullRequest,
    },
    trust: build.trust,
    isByHand: true,
    buildsAllBranches: true,
    mayPublish: false,
    targets: [...new Set([defaultTarget, ...targets])],
    defaultTarget,
    // Everything counts as changed.
    changes: {},
    secrets: [],
    fresh,
    params,
  });
  if (plan.nothingToDo !== null) return { kind: "nothing-to-do", reason: plan.nothingToDo };
  const warnings = reading.warnings.map(({ message, line }) => `line ${line}: ${message}`);
  return chosen(plan.jobs, request.steps, { note: reading.note, warnings });
}

/** Of the plan, what was asked for. */
function chosen(
  planned: readonly PlannedJob[],
  steps: readonly string[] | null,
  said: { readonly note: string | null; readonly warnings: readonly string[] },
): LocalPlan {
  const wish =
    steps === null ? { kind: "tests" as const } : { kind: "named" as const, names: steps };
  const { jobs, unknown, known } = selectSteps(planned, wish);
  const [first] = unknown;
  if (first !== undefined) {
    return {
      kind: "refused",
      message: `There is no step ${first}.`,
      hint: known.length === 0 ? "The file names no steps." : `steps: ${known.join(", ")}`,
    };
  }
  const running = jobs.filter(({ skip }) => skip === null);
  if (running.length === 0) {
    const hint = planned.some(({ spec }) => spec.packages.length > 0)
      ? "it has no tests; `tatara run package` makes its packages"
      : "it has no tests";
    return { kind: "nothing-to-do", reason: jobs[0]?.skip ?? hint };
  }
  return { kind: "jobs", jobs, ...said };
}
