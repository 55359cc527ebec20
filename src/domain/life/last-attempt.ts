import { ATTEMPTS_MAX, LEASE_MS } from "../attempt.ts";

/** A worker that was lost with the job's attempt aboard. */
export interface WorkerLoss {
  readonly worker: string;
  readonly at: number;
}

export interface JobWithLosses {
  readonly countedAttempts: number;
  readonly losses: readonly WorkerLoss[];
}

/** Who asks for the job, and who else could have it. */
export interface Asking {
  readonly worker: string;
  /** What it runs already. */
  readonly aboard: readonly JobWithLosses[];
  /** The other workers that are there and fit. */
  readonly others: readonly string[];
}

/**
 * May the worker that asks be granted this job now? A worker that dies costs each of its jobs an
 * attempt, and at most one of them is to blame. So the attempt that could end a job tells them apart:
 *
 * - It is not granted to a worker that the job was lost with, while there is another: a sick worker
 *   ends no job that another could run.
 * - It never runs beside a job that was lost along with it: a job that kills its workers still ends
 *   after three of them (F21), and what was merely aboard has not been aboard of all three.
 *
 * Both only choose where and when; no attempt is added or forgiven. A job waits for this no longer
 * than others run.
 */
export function mayHaveLastAttempt(job: JobWithLosses, asking: Asking): boolean {
  const isLast = job.countedAttempts >= ATTEMPTS_MAX - 1;
  if (isLast && wasLostWith(job, asking.worker)) {
    if (asking.others.some((other) => !wasLostWith(job, other))) return false;
  }
  return !asking.aboard.some(
    (other) => (isLast || other.countedAttempts >= ATTEMPTS_MAX) && wereLostTogether(job, other),
  );
}

function wasLostWith({ losses }: JobWithLosses, worker: string): boolean {
  return losses.some((loss) => loss.worker === worker);
}

/** The leases of one worker's jobs were renewed at different moments, and so run out at such. */
function wereLostTogether(one: JobWithLosses, other: JobWithLosses): boolean {
  return one.losses.some(({ worker, at }) =>
    other.losses.some((loss) => loss.worker === worker && Math.abs(loss.at - at) <= LEASE_MS),
  );
}
