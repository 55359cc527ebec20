import type { StepRuns } from "./job-spec.ts";
import type { NetworkClass, PipelineImage, Runs, SecretUse } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";
import { fillCache, fillImage, fillMap, type Fill } from "./plan-templates.ts";

/** What steps and packages share, with what this build's trust leaves of it. */
export function planRuns(runs: Runs, facts: PlanFacts, fill: Fill): StepRuns {
  return {
    env: fillMap(runs.env, fill),
    secrets: runs.secrets.filter(({ name }) => mayRead(name, facts)),
    cache: fillCache(runs.cache, fill),
    network: networkOf(runs.network, facts),
    timeoutMs: runs.timeoutMs,
    idleTimeoutMs: runs.idleTimeoutMs,
    resources: runs.resources,
  };
}

export function planImage(image: PipelineImage, facts: PlanFacts, fill: Fill): PipelineImage {
  const filled = fillImage(image, fill);
  if (filled.kind !== "dockerfile") return filled;
  return { ...filled, secrets: filled.secrets.filter((name) => mayRead(name, facts)) };
}

/** A stranger's code is told nothing, whoever marked the secret for pull requests. */
function mayRead(name: SecretUse["name"], { trust, secrets }: PlanFacts): boolean {
  return trust !== "fork-pr" && secrets.includes(name);
}

function networkOf(wanted: NetworkClass, { trust }: PlanFacts): NetworkClass {
  return trust === "fork-pr" && wanted === "internet" ? "mirrors" : wanted;
}
