import type { BuildGrant } from "../../src/shared/build-messages.ts";
import { holdLease } from "./lease.ts";
import type { Lease, LeaseDeps } from "./lease.ts";
import { raceAbort } from "./race-abort.ts";

/** An attempt that this worker has now. */
export interface HeldJob {
  readonly jobId: string;
  readonly lease: Lease;
  /** `<job>-<attempt>`. */
  readonly attempt: string;
  readonly startedAt: number;
}

/** The attempts that this worker has, each under a lease that is kept alive. */
export interface HeldJobs {
  run(grant: BuildGrant, work: (lease: Lease) => Promise<void>): Promise<void>;
  /**
   * Its lease is kept alive from now on, though its turn may come later: it comes when what this returns
   * is called, or when there is nothing to wait for any more, since the work is to be stopped.
   */
  inTurn(grant: BuildGrant, work: (lease: Lease) => Promise<void>): () => Promise<void>;
  all(): readonly HeldJob[];
  /** Its newest attempt. */
  find(jobId: string): HeldJob | undefined;
  isOurs(attempt: string): boolean;
  /** Resolves when all of them have ended. */
  settled(): Promise<void>;
}

export function heldJobs({
  now,
  ...deps
}: Omit<LeaseDeps, "heartbeatMs"> & { readonly now: () => number }): HeldJobs {
  // By attempt: the next one of a job may be here while the former one still tidies up.
  const held = new Map<string, HeldJob & { readonly done: Promise<void> }>();

  const run: HeldJobs["run"] = async (grant, work) => {
    const lease = holdLease(grant, deps);
    const attempt = `${grant.jobId}-${grant.lease.attempt}`;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const { jobId } = grant;
    held.set(attempt, { jobId, lease, attempt, startedAt: now(), done });
    try {
      await work(lease);
    } finally {
      held.delete(attempt);
      lease.close();
      resolve();
    }
  };
  return {
    run,
    inTurn: (grant, work) => {
      const turn = Promise.withResolvers<void>();
      const done = run(grant, async (lease) => {
        await raceAbort(turn.promise, lease.signal).catch(() => undefined);
        await work(lease);
      });
      done.catch(() => undefined);
      return async () => {
        turn.resolve();
        await done;
      };
    },
    all: () => [...held.values()],
    find: (jobId) => [...held.values()].findLast((one) => one.jobId === jobId),
    isOurs: (attempt) => held.has(attempt),
    settled: async () => void (await Promise.all([...held.values()].map(({ done }) => done))),
  };
}
