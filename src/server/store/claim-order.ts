import { STRANGER_JOBS_MAX } from "../../domain/job-priority.ts";
import type { Reader } from "./store.ts";

/** What a worker says of itself when it asks for work. */
export interface Claimer {
  /** `x86_64`; unknown: it may take any job. */
  readonly arch?: string | undefined;
}

/**
 * The job that this worker is to get next; undefined: there is none for it. Higher priorities first;
 * within one, the repo of which the least runs now, so that a hundred builds of one repo take turns
 * with the one build of another; then the oldest.
 */
export async function pickJob(tx: Reader, claimer: Claimer): Promise<string | undefined> {
  const [next] = await inOrder(tx, claimer, 1);
  return next?.id;
}

/** As `pickJob` would choose them now, one after the other, while nothing else changes. */
export async function inOrder(tx: Reader, { arch }: Claimer, limit: number) {
  const busy = await busyStrangers(tx);
  let query = claimable(tx)
    .leftJoin(
      (from) =>
        from
          .selectFrom("jobs as running")
          .innerJoin("builds as runs", "runs.id", "running.buildId")
          .select(["runs.repo", ({ fn }) => fn.countAll<number>().as("jobs")])
          .where("running.state", "=", "running")
          .groupBy("runs.repo")
          .as("load"),
      (join) => join.onRef("load.repo", "=", "builds.repo"),
    )
    .select(["jobs.id", "jobs.attempt"]);
  if (arch !== undefined) {
    query = query.where(({ or, eb }) =>
      or([eb("jobs.arch", "is", null), eb("jobs.arch", "=", arch)]),
    );
  }
  if (busy.length > 0) {
    query = query.where(({ or, eb }) =>
      or([eb("builds.trust", "!=", "fork-pr"), eb("builds.pusher", "not in", busy)]),
    );
  }
  return await query
    .orderBy("jobs.priority", "desc")
    .orderBy(({ fn, val }) => fn.coalesce("load.jobs", val(0)))
    .orderBy("jobs.queuedAt")
    .orderBy("builds.number")
    .orderBy("jobs.position")
    .limit(limit)
    .execute();
}

/** Strangers of whom as much runs as may. */
async function busyStrangers({ db }: Reader): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select("builds.pusher")
    .where("jobs.state", "=", "running")
    .where("builds.trust", "=", "fork-pr")
    .groupBy("builds.pusher")
    .having(({ fn, eb }) => eb(fn.countAll<number>(), ">=", STRANGER_JOBS_MAX))
    .execute();
  return rows.map(({ pusher }) => pusher);
}

/** Jobs that may be claimed now, for whoever wakes workers: how many counts, not which. */
export async function claimableJobs(
  tx: Reader,
  limit: number,
): Promise<readonly { readonly id: string; readonly attempt: number }[]> {
  return await claimable(tx)
    .select(["jobs.id", "jobs.attempt"])
    .orderBy("jobs.queuedAt")
    .limit(limit)
    .execute();
}

/** Whatever its place in the line: nothing stands before it but the line itself. */
function claimable(tx: Reader) {
  return tx.db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .where("jobs.state", "=", "queued")
    .where("jobs.isBlocked", "=", 0)
    .where("jobs.notBeforeAt", "<=", tx.now())
    .where("builds.isReady", "=", 1)
    .where("builds.waitReason", "is", null);
}
