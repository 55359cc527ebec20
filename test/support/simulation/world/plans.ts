import type { PlannedJob } from "../records/kept.ts";

export interface Plan {
  readonly jobs: readonly PlannedJob[];
  readonly nothingToDo: string | null;
  /** What it makes goes to a channel. */
  readonly publishes: boolean;
}

/** Shapes of pipelines: needs, `verify` jobs, machines of two kinds, nothing to do. */
export const PLANS: readonly Plan[] = [
  plan([job()]),
  plan([job(), job({ kind: "verify", needs: [0] })]),
  plan([job(), job(), job({ needs: [0, 1] })]),
  plan([job()], { publishes: false }),
  plan([job(), job({ arch: "aarch64" }), job({ kind: "verify", needs: [0, 1] })]),
  plan([job({ arch: "aarch64" }), job({ needs: [0] })]),
  plan([job({ skip: "not concerned" }), job()]),
  plan([job({ skip: "not concerned" })], { nothingToDo: "nothing to build" }),
  plan([job({ skip: "not concerned" }), job({ arch: "aarch64" })]),
];

function plan(jobs: readonly PlannedJob[], facts: Partial<Plan> = {}): Plan {
  return { jobs, nothingToDo: null, publishes: true, ...facts };
}

function job(facts: Partial<PlannedJob> = {}): PlannedJob {
  const { needs = [] } = facts;
  return { kind: "build", skip: null, arch: null, ...facts, needs, needsCount: needs.length };
}
