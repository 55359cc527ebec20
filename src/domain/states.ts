/** States of build, job and step, spelled so everywhere. */
export const STATES = [
  "queued",
  "running",
  "passed",
  "failed",
  "errored",
  "cancelled",
  "skipped",
] as const;
export type State = (typeof STATES)[number];

export const FINAL_STATES = ["passed", "failed", "errored", "cancelled", "skipped"] as const;
export type FinalState = (typeof FINAL_STATES)[number];

const FINAL: ReadonlySet<State> = new Set(FINAL_STATES);

export function isFinal(state: State): state is FinalState {
  return FINAL.has(state);
}

/**
 * The state that a build's jobs add up to, or undefined while one of them is not final. The worst
 * answer wins: our own error is shown only if the user's side did not fail.
 */
export function stateOfJobs(jobs: readonly State[]): FinalState | undefined {
  if (!jobs.every(isFinal)) return undefined;
  for (const state of ["cancelled", "failed", "errored"] as const) {
    if (jobs.includes(state)) return state;
  }
  return jobs.includes("passed") ? "passed" : "skipped";
}
