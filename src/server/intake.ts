import { failpoint } from "../shared/failpoints.ts";
import type { Announcer } from "./announcer.ts";
import type { Push } from "../domain/push.ts";
import type {
  FoundBy,
  IgnoredDelivery,
  Intake,
  IntakeDoor,
  IntakeResult,
  PullRequestIntake,
} from "./intake-types.ts";
import { noteFound, recordIgnored, recordPush, type Recorded } from "./store/deliveries.ts";
import { recordClosed, recordPullRequest } from "./store/pull-requests.ts";
import type { Store, Tx } from "./store/store.ts";
import type { Superseder } from "./superseder.ts";

export interface IntakeDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly superseder: Superseder;
  /** A hint for workers: these jobs are to stop. */
  readonly stopJobs: (jobIds: readonly string[]) => void;
  readonly waitingBuildsMax: number;
}

/** For pushes that nobody delivered. */
export interface FoundDoor {
  /** `isStillMissed` is asked in the transaction that records; undefined: it was delivered meanwhile. */
  acceptFound(
    found: Omit<Intake, "push"> & { readonly foundBy: FoundBy },
    isStillMissed: (tx: Tx) => Promise<Push | undefined>,
  ): Promise<IntakeResult | undefined>;
}

/**
 * The one way in for pushes of any forge: on disk first, then the answer, then the queue. Rejects
 * when the database cannot take it; the caller must not answer 2xx then.
 */
export function openIntake(deps: IntakeDeps): IntakeDoor & FoundDoor {
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
    accept: async (intake: Intake) => {
      await failpoint("intake.before-commit");
      const recorded = await store.write((tx) => recordPush(tx, intake, { waitingBuildsMax }));
      await failpoint("intake.after-commit");
      const result = tell(recorded);
      await failpoint("intake.after-ticket");
      return result;
    },
    acceptPullRequest: async (intake: PullRequestIntake) => {
      if (intake.pullRequest.action !== "closed") {
        return tell(await store.write((tx) => recordPullRequest(tx, intake, { waitingBuildsMax })));
      }
      const closed = await store.write((tx) => recordClosed(tx, intake));
      closed.changes.forEach(announcer.announce);
      deps.stopJobs(closed.running);
      return { kind: "ignored", reason: closed.reason, buildId: null };
    },
    acceptFound: async (found, isStillMissed) => {
      const recorded = await store.write(async (tx) => {
        const push = await isStillMissed(tx);
        if (push === undefined) return undefined;
        const made = await recordPush(tx, { ...found, push }, { waitingBuildsMax });
        if (made.made !== undefined) await noteFound(tx, made.made.build.id, found.foundBy);
        return made;
      });
      return recorded === undefined ? undefined : tell(recorded);
    },
    recordIgnored: (facts: IgnoredDelivery) => store.write((tx) => recordIgnored(tx, facts)),
  };
}
