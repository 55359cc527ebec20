import { failpoint } from "../shared/failpoints.ts";
import type { PullRequest, Push } from "../domain/push.ts";
import type { Announcer } from "./announcer.ts";
import type {
  ClosedPullRequest,
  Found,
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

/** For what nobody delivered: it was found by a look at the forge. */
export interface FoundDoor {
  /** `isStillMissed` is asked in the transaction that records; undefined: it was delivered meanwhile. */
  acceptFound(
    found: Found,
    isStillMissed: (tx: Tx) => Promise<Push | undefined>,
  ): Promise<IntakeResult | undefined>;
  acceptFoundPullRequest(
    found: Found,
    isStillMissed: (tx: Tx) => Promise<PullRequest | undefined>,
  ): Promise<IntakeResult | undefined>;
  acceptClosed(closed: ClosedPullRequest): Promise<IntakeResult>;
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
  const close = async (closed: ClosedPullRequest): Promise<IntakeResult> => {
    const { reason, changes, running } = await store.write((tx) => recordClosed(tx, closed));
    changes.forEach(announcer.announce);
    deps.stopJobs(running);
    return { kind: "ignored", reason, buildId: null };
  };
  const recordFound = async <T>(
    { foundBy }: Found,
    isStillMissed: (tx: Tx) => Promise<T | undefined>,
    record: (tx: Tx, missed: T) => Promise<Recorded>,
  ): Promise<IntakeResult | undefined> => {
    const recorded = await store.write(async (tx) => {
      const missed = await isStillMissed(tx);
      if (missed === undefined) return undefined;
      const made = await record(tx, missed);
      if (made.made !== undefined) await noteFound(tx, made.made.build.id, foundBy);
      return made;
    });
    return recorded === undefined ? undefined : tell(recorded);
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
      const { pullRequest, foundBy: _, ...named } = intake;
      const { action, repo, number } = pullRequest;
      if (action === "closed") return await close({ ...named, repo, number });
      return tell(await store.write((tx) => recordPullRequest(tx, intake, { waitingBuildsMax })));
    },
    acceptFound: (found, isStillMissed) =>
      recordFound(found, isStillMissed, (tx, push) =>
        recordPush(tx, { ...found, push }, { waitingBuildsMax }),
      ),
    acceptFoundPullRequest: (found, isStillMissed) =>
      recordFound(found, isStillMissed, (tx, pullRequest) =>
        recordPullRequest(tx, { ...found, pullRequest }, { waitingBuildsMax }),
      ),
    acceptClosed: close,
    recordIgnored: (facts: IgnoredDelivery) => store.write((tx) => recordIgnored(tx, facts)),
  };
}
