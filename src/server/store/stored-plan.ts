import type { JobSpec } from "../../domain/job-spec.ts";
import type { Pipeline } from "../../domain/pipeline.ts";
import type { BuildRow, JobRow } from "./schema.ts";

/** The plan as it is stored with the build. */
export interface StoredPlan {
  readonly v: 2;
  readonly pipeline: Pipeline;
}

/** Undefined before the plan, and for builds of an earlier version. */
export function readPlan({ pipelineJson }: Pick<BuildRow, "pipelineJson">): StoredPlan | undefined {
  if (pipelineJson === null) return undefined;
  const stored = JSON.parse(pipelineJson) as { readonly v: number };
  return stored.v === 2 ? (stored as StoredPlan) : undefined;
}

/** Null before the plan. */
export function specOf({ specJson }: Pick<JobRow, "specJson">): JobSpec | null {
  return specJson === null ? null : (JSON.parse(specJson) as JobSpec);
}

/** What a stranger pushed is published nowhere, nor what was only tried. */
export function mayPublish(build: Pick<BuildRow, "mayPublish" | "trust" | "event">): boolean {
  return build.mayPublish === 1 && build.trust !== "fork-pr" && build.event !== "try";
}
