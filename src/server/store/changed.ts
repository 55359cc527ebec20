import type { LogKey, PublishChange } from "../views.ts";

/** What changed, for those who are told after the commit. */
export interface Changed {
  readonly buildId?: string | undefined;
  readonly statusId?: string | undefined;
  readonly queuedJobs?: readonly string[];
  /** Logs that nobody goes on with, since their worker was lost. */
  readonly lostLogs?: readonly LogKey[];
  /** It may be claimed now. */
  readonly publishId?: string | undefined;
  /** A publish, a build's or not, that is in another state now. */
  readonly publish?: PublishChange | undefined;
}
