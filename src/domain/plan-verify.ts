import type { PlannedJob, PlannedVerify } from "./job-spec.ts";
import type { PlanFacts } from "./plan-facts.ts";
import { stepIds } from "./plan-matrix.ts";
import { archOf } from "./plan-targets.ts";

/**
 * One more job for each that makes packages with a `verify` rule. It starts when all others have
 * passed and what they made is in the build's own channel.
 */
export function planVerify(builds: readonly PlannedJob[], facts: PlanFacts): readonly PlannedJob[] {
  const needs = builds.flatMap(({ skip }, position) => (skip === null ? [position] : []));
  return builds.flatMap((made): PlannedJob[] => {
    const checks = made.skip === null ? checksOf(made) : [];
    if (checks.length === 0) return [];
    const { spec } = made;
    const steps = checks.map(({ step: name, title }) => {
      return { name, title, kind: "verify", skip: null } as const;
    });
    return [
      {
        needs,
        skip: facts.mayPublish ? null : "not verified: this build publishes nothing",
        arch: archOf(spec.target),
        spec: {
          ...spec,
          name: `${spec.name} verify`,
          kind: "verify",
          steps,
          images: [],
          services: [],
          tests: [],
          packages: [],
          verify: checks.map(({ title: _title, ...check }) => check),
        },
      },
    ];
  });
}

function checksOf({ spec }: PlannedJob): readonly (PlannedVerify & { readonly title: string })[] {
  const ids = stepIds();
  const verified = spec.packages.flatMap(({ verify, ...made }) => {
    return verify === null ? [] : [{ ...made, verify }];
  });
  const isOne = verified.length === 1;
  return verified.map(({ verify, label, repos }) => {
    const step = isOne ? ids("verify") : ids("verify", label);
    return { ...verify, step, title: isOne ? "verify" : `verify ${label}`, label, repos };
  });
}
