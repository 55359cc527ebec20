import type { Announcer } from "./announcer.ts";
import type { IgnoredDelivery, Intake, IntakeDoor, PullRequestIntake } from "./intake-types.ts";
import { recordIgnored, recordPush, type Recorded } from "./store/deliveries.ts";
import { recordClosed, recordPullRequest } from "./store/pull-requests.ts";
import type { Store } from "./store/store.ts";
import type { Superseder } from "./superseder.ts";

export interface IntakeDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly superseder: Superseder;
  /** A hint for workers: these jobs are to stop. */
  readonly stopJobs: (jobIds: readonly string[]) => void;
  readonly waitingBuildsMax: number;
}

/**
 * The one way in for pushes of any forge: on disk first, then the answer, then the queue. Rejects
 * when the database cannot take it; the caller must not answer 2xx then.
 */
export function openIntake(deps: IntakeDeps): IntakeDoor {
  const { store, announcer, superseder, waitingBuildsMax } = deps;

  const tell = ({ result, made }: Recorded) => {
    if (made !== undefined) {
      announcer.announce({ ...made, buildId: made.build.id });
      // The own remote's is looked at once its ref has moved.
      if (made.build.isReady === 1) void superseder.consider(made.build.id);
    }
    return result;
  };
  return {
    accept: async (intake: Intake) =>
      tell(await store.write((tx) => recordPush(tx, intake, { waitingBuildsMax }))),
    acceptPullRequest: async (intake: PullRequestIntake) => {
      if (intake.pullRequest.action !== "closed") {
        return tell(await store.write((tx) => recordPullRequest(tx, intake, { waitingBuildsMax })));
      }
      const closed = await store.write((tx) => recordClosed(tx, intake));
      closed.changes.forEach(announcer.announce);
      deps.stopJobs(closed.running);
      return { kind: "ignored", reason: closed.reason, buildId: null };
    },
    recordIgnored: (facts: IgnoredDelivery) => store.write((tx) => recordIgnored(tx, facts)),
  };
}
