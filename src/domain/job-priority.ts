import type { BuildEvent } from "./pipeline.ts";
import type { TrustClass } from "./push.ts";

/** Higher goes first. Within one priority repos take turns: see `store/claim-order.ts`. */
export const PRIORITY = {
  /** A person said so. */
  bumped: 100,
  /** Somebody waits for it. */
  interactive: 20,
  /** Nobody looks before the morning. */
  scheduled: 10,
  /** A stranger's: after all work of those who may write here. */
  stranger: 0,
} as const;

export function priorityOf(build: {
  readonly event: BuildEvent;
  readonly trust: TrustClass;
}): number {
  if (build.trust === "fork-pr") return PRIORITY.stranger;
  return build.event === "schedule" ? PRIORITY.scheduled : PRIORITY.interactive;
}

/** Jobs of one stranger that run at the same time, over all repos. */
export const STRANGER_JOBS_MAX = 2;
