import { STRANGER_JOBS_MAX } from "../../domain/job-priority.ts";
import { isKeptFrom } from "./last-attempt.ts";
import type { Reader } from "./store.ts";

/** What a worker says of itself when it asks for work. */
export interface Claimer {
  /** `x86_64`; unknown: it may take any job. */
  readonly arch?: string | undefined;
}

/** How many jobs that others should run are stepped over; whoever asks next looks again. */
const KEPT_FROM_MAX = 32;

/**
 * The job that this worker is to get next; undefined: there is none for it. Higher priorities first;
 * within one, the repo of which the least runs now, so that a hundred builds of one repo take turns
 * with the one build of another; then the oldest.
 */
export async function pickJob(
  tx: Reader,
  worker: string,
  claimer: Claimer,
): Promise<string | undefined> {
  const keptFrom: string[] = [];
  while (keptFrom.length < KEPT_FROM_MAX) {
    const id = await nextInLine(tx, claimer, keptFrom);
    if (id === undefined || !(await isKeptFrom(tx, id, worker))) return id;
    keptFrom.push(id);
  }
  return undefined;
}

async function nextInLine(
  tx: Reader,
  claimer: Claimer,
  keptFrom: readonly string[],
): Promise<string | undefined> {
  const whole = await lineFor(tx, claimer);
  const line = keptFrom.length === 0 ? whole : whole.where("jobs.id", "not in", keptFrom);
  const first = await line.limit(1).executeTakeFirst();
  if (first === undefined) return undefined;
  const loads = await runningByRepo(tx);
  if (!loads.has(first.repo)) return first.id;
  // The line is long and few repos run: it is read from its head, once for each load, not sorted.
  const equals = line.where("jobs.priority", "=", first.priority).limit(1);
  const busy = [...loads.keys()];
  if (await hasOtherOpenBuilds(tx, busy)) {
    const idle = await equals.where("builds.repo", "not in", busy).executeTakeFirst();
    if (idle !== undefined) return idle.id;
  }
  for (const load of [...new Set(loads.values())].toSorted((a, b) => a - b)) {
    const repos = busy.filter((repo) => loads.get(repo) === load);
    const next = await equals.where("builds.repo", "in", repos).executeTakeFirst();
    if (next !== undefined) return next.id;
  }
  return first.id;
}

/** What this worker may take, in the order of the line, whatever runs now. */
async function lineFor(tx: Reader, { arch }: Claimer) {
  const busy = await busyStrangers(tx);
  let query = claimable(tx).select(["jobs.id", "jobs.priority", "builds.repo"]);
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
  return query
    .orderBy("jobs.priority", "desc")
    .orderBy("jobs.queuedAt")
    .orderBy("builds.number")
    .orderBy("jobs.position");
}

/** How many jobs of each repo run; the others have none. */
async function runningByRepo({ db }: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select(["builds.repo", ({ fn }) => fn.countAll<number>().as("jobs")])
    .where("jobs.state", "=", "running")
    .groupBy("builds.repo")
    .execute();
  return new Map(rows.map(({ repo, jobs }) => [repo, jobs]));
}

/** Asked by repo, of which there are few: else a queue of busy repos alone would be read to its end. */
async function hasOtherOpenBuilds({ db }: Reader, busy: readonly string[]): Promise<boolean> {
  const open = await db
    .selectFrom("repos")
    .select("name")
    .where("name", "not in", busy)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("builds")
          .select("builds.id")
          .whereRef("builds.repo", "=", "repos.name")
          .where("builds.state", "in", ["queued", "running"]),
      ),
    )
    .limit(1)
    .executeTakeFirst();
  return open !== undefined;
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
