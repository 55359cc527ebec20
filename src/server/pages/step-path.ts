import { isFinal } from "../../domain/states.ts";
import type { BuildView, JobView, StepView } from "../views.ts";
import { buildPath } from "./parts.ts";

export interface ChosenStep {
  readonly job: JobView;
  readonly step: StepView;
}

/** Address of a step's log page; the job is named only where a second one has such a step. */
export function stepPath(
  build: Pick<BuildView, "repo" | "number" | "jobs">,
  job: JobView,
  step: Pick<StepView, "name">,
): string {
  const path = `${buildPath(build)}/${encodeURIComponent(step.name)}`;
  const first = build.jobs.find(({ steps }) => steps.some(({ name }) => name === step.name));
  return first === undefined || first.id === job.id ? path : `${path}?job=${job.id}`;
}

export function findStep(
  build: BuildView,
  name: string,
  jobId: string | undefined,
): ChosenStep | undefined {
  for (const job of build.jobs) {
    if (jobId !== undefined && job.id !== jobId) continue;
    const step = job.steps.find((candidate) => candidate.name === name);
    if (step !== undefined) return { job, step };
  }
  return undefined;
}

/**
 * The step that whoever opens a build wants to read: the one that failed, else the one that runs,
 * else the last that ran.
 */
export function stepToShow(build: BuildView): ChosenStep | undefined {
  const all = build.jobs.flatMap((job) => job.steps.map((step) => ({ job, step })));
  const begun = all.filter(({ step }) => step.startedAt !== null);
  const isBad = ({ step }: ChosenStep): boolean =>
    (step.state === "failed" && step.details?.isAllowed !== true) || step.state === "errored";
  const blamed = begun.find((one) => isBad(one) && one.step.name === build.failure?.step);
  return (
    blamed ??
    begun.find(isBad) ??
    begun.find(({ step }) => step.state === "running") ??
    begun.findLast(({ step }) => isFinal(step.state))
  );
}
