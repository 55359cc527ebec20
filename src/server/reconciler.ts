import { EXPIRY_CHECK_MS } from "../domain/attempt.ts";
import { failpoint } from "../shared/failpoints.ts";
import type { Logger } from "../shared/logger.ts";
import type { Tickets } from "../shared/queues.ts";
import type { Announcer } from "./announcer.ts";
import type { Changed } from "./store/builds.ts";
import { expireLeases, expireQueuedJobs } from "./store/attempts.ts";
import { claimableJobs } from "./store/claim-order.ts";
import { restartLeaseClocks } from "./store/leases.ts";
import { waitingStatusIds } from "./store/outbox.ts";
import { shortenPauses } from "./store/pauses.ts";
import { expirePublishLeases, expireQueuedPublishes } from "./store/publish-attempts.ts";
import { claimablePublishes } from "./store/publishes.ts";
import { expireApprovals } from "./store/pull-requests.ts";
import { replanSchedules } from "./store/schedules.ts";
import type { Schedules } from "./schedules.ts";
import type { Store } from "./store/store.ts";

/** Any missed event is repaired within this time. */
const RECONCILE_MS = 10_000;
/** Enough to wake every worker; a worker that is awake claims until nothing is left. */
const TICKETS_PER_ROUND = 256;
const WORKERS_ASK_MS = 10 * 60_000;
const QUEUED_MAX_MS = 24 * 3_600_000;
/** Between two looks at the leases; if more has passed, or less than nothing, workers are not to blame. */
const STEADY_MS = 5_000;

export interface Reconciler {
  /** Compares records and queues once; used at start and when Redis comes back. */
  reconcile(): Promise<void>;
  close(): void;
}

/**
 * The promise behind every hint: what the records say is due gets its ticket again, and leases that
 * ran out are taken back. Events may be lost, doubled or late; this makes the difference good.
 */
export function startReconciler({
  store,
  tickets,
  announcer,
  logger,
  settlePushes,
  schedules,
}: {
  readonly store: Store;
  readonly tickets: Tickets;
  readonly announcer: Announcer;
  readonly logger: Logger;
  /** Builds for what is due; a tick that the queue lost is found here. */
  readonly schedules?: Schedules;
  /** Takes up pushes whose end was missed. */
  readonly settlePushes: () => Promise<void>;
}): Reconciler {
  const tell = (changes: readonly Changed[]): void => changes.forEach(announcer.announce);

  let lookedAt = store.now();
  let steadySince = lookedAt;
  const expire = async (): Promise<void> => {
    const now = store.now();
    const passedMs = now - lookedAt;
    lookedAt = now;
    if (passedMs < 0 || passedMs > STEADY_MS) {
      // The clock was set, or we stood still while heartbeats waited at our door.
      steadySince = now;
      await store.write(restartLeaseClocks);
      if (passedMs >= 0) return;
      await store.write(shortenPauses);
      await store.write(replanSchedules);
      return;
    }
    // By the time that was found steady: the clock may be set while these wait for their turn.
    tell(await store.write((tx) => expireLeases(tx, now)));
    tell(await store.write((tx) => expirePublishLeases(tx, now)));
  };

  const reconcile = async (): Promise<void> => {
    await settlePushes();
    // A forge that does not answer must not hold up what follows.
    schedules?.tick().catch((err: unknown) => {
      logger.warn({ err }, "Schedules could not be looked at");
    });
    // After a long downtime, or a clock that was set, the workers ask first; what they do not take
    // then is given up.
    if (store.now() - steadySince > WORKERS_ASK_MS) {
      tell(await store.write((tx) => expireQueuedJobs(tx, QUEUED_MAX_MS)));
      tell(await store.write((tx) => expireQueuedPublishes(tx, QUEUED_MAX_MS)));
    }
    tell(await store.write(expireApprovals));
    const named = (rows: readonly { readonly id: string; readonly attempt: number }[]) =>
      rows.map(({ id, attempt }) => `${id}-${attempt}`);
    await failpoint("reconcile.before-tickets");
    await tickets.addAll("build", named(await claimableJobs(store, TICKETS_PER_ROUND)));
    await tickets.addAll("publish", named(await claimablePublishes(store, TICKETS_PER_ROUND)));
    await tickets.addAll("report", await waitingStatusIds(store, TICKETS_PER_ROUND));
    await failpoint("reconcile.after-tickets");
    await schedules?.sync();
  };

  const expiry = every(EXPIRY_CHECK_MS, expire, logger, "Leases could not be checked");
  const repair = every(RECONCILE_MS, reconcile, logger, "Queues could not be reconciled");
  return {
    reconcile,
    close: () => {
      expiry.stop();
      repair.stop();
    },
  };
}

/** Runs `work` again and again, never twice at once; a failure is told once until it has passed. */
function every(
  intervalMs: number,
  work: () => Promise<void>,
  logger: Logger,
  failure: string,
): { stop(): void } {
  let isRunning = false;
  let hasFailed = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    work()
      .then(() => {
        hasFailed = false;
      })
      .catch((err: unknown) => {
        if (!hasFailed) logger.warn({ err }, failure);
        hasFailed = true;
      })
      .finally(() => {
        isRunning = false;
      });
  }, intervalMs);
  return { stop: () => clearInterval(timer) };
}
