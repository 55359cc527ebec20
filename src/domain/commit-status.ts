import type { State } from "./states.ts";

/** GitHub's four words for a commit status. */
export type CommitState = "pending" | "success" | "failure" | "error";

/** The one aggregate context that always reports. */
export const STATUS_CONTEXT = "tatara";

// A new state breaks compilation here, and wherever else it must be handled.
export const COMMIT_STATE = {
  queued: "pending",
  running: "pending",
  passed: "success",
  skipped: "success",
  failed: "failure",
  errored: "error",
  cancelled: "error", // GitHub's commit statuses have no word for it.
} as const satisfies Record<State, CommitState>;

/** GitHub cuts descriptions at 140 characters; so do we, on a whole character, with a mark. */
export const DESCRIPTION_MAX = 140;

export function describeStatus(text: string): string {
  const flat = text.replace(/\s+/g, " ").trim();
  const characters = [...flat];
  if (characters.length <= DESCRIPTION_MAX) return flat;
  return `${characters.slice(0, DESCRIPTION_MAX - 1).join("")}…`;
}

/** Which of two wanted statuses of one commit and context is newer. */
export interface StatusRank {
  readonly buildNumber: number;
  readonly state: CommitState;
}

/**
 * May `next` replace `current`? A newer build may always speak; within one build a `pending` never
 * follows a final state, and an older build never speaks again.
 */
export function mayReplace(current: StatusRank, next: StatusRank): boolean {
  if (next.buildNumber !== current.buildNumber) return next.buildNumber > current.buildNumber;
  return current.state === "pending" || next.state !== "pending";
}
