import type { Announcer } from "./announcer.ts";
import type { IgnoredDelivery, Intake, IntakeDoor } from "./intake-types.ts";
import { recordIgnored, recordPush } from "./store/deliveries.ts";
import type { Store } from "./store/store.ts";

/**
 * The one way in for pushes of any forge: on disk first, then the answer, then the queue. Rejects
 * when the database cannot take it; the caller must not answer 2xx then.
 */
export function openIntake({
  store,
  announcer,
  waitingBuildsMax,
}: {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly waitingBuildsMax: number;
}): IntakeDoor {
  return {
    accept: async (intake: Intake) => {
      const { result, made } = await store.write((tx) =>
        recordPush(tx, intake, { waitingBuildsMax }),
      );
      if (made !== undefined) announcer.announce({ ...made, buildId: made.build.id });
      return result;
    },
    recordIgnored: (facts: IgnoredDelivery) => store.write((tx) => recordIgnored(tx, facts)),
  };
}
