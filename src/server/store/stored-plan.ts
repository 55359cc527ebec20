import type { JobSpec } from "../../domain/job-spec.ts";
import type { Pipeline } from "../../domain/pipeline.ts";
import type { BuildRow, JobRow } from "./schema.ts";

/** The newest form of a stored plan that this version can read. */
export const PLAN_VERSION = 2;

/** The plan as it is stored with the build. */
export interface StoredPlan {
  readonly v: typeof PLAN_VERSION;
  readonly pipeline: Pipeline;
}

/** Undefined before the plan, and for builds of an earlier version or of a newer one. */
export function readPlan({ pipelineJson }: Pick<BuildRow, "pipelineJson">): StoredPlan | undefined {
  if (pipelineJson === null) return undefined;
  const stored = JSON.parse(pipelineJson) as { readonly v: number };
  return stored.v === PLAN_VERSION ? (stored as StoredPlan) : undefined;
}

/** It has a plan, and nobody here knows what it says: such a build waits and never passes. */
export function isNewerPlan({ pipelineJson }: Pick<BuildRow, "pipelineJson">): boolean {
  if (pipelineJson === null) return false;
  return (JSON.parse(pipelineJson) as { readonly v: number }).v > PLAN_VERSION;
}

/** Null before the plan. */
export function specOf({ specJson }: Pick<JobRow, "specJson">): JobSpec | null {
  return specJson === null ? null : (JSON.parse(specJson) as JobSpec);
}

/** What a stranger pushed is published nowhere, nor what was only tried. */
export function mayPublish(build: Pick<BuildRow, "mayPublish" | "trust" | "event">): boolean {
  return build.mayPublish === 1 && build.trust !== "fork-pr" && build.event !== "try";
}

/** Waits for a person's word, and not for a newer server: what has a plan has had it. */
export function waitsForApproval(build: Pick<BuildRow, "waitReason" | "pipelineJson">): boolean {
  return build.waitReason !== null && build.pipelineJson === null;
}
