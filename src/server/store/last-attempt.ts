import {
  mayHaveLastAttempt,
  type JobWithLosses,
  type WorkerLoss,
} from "../../domain/life/last-attempt.ts";
import { PROTOCOL } from "../../shared/protocol.ts";
import type { JobRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** Whoever has a free slot asks at least every 45 s. */
const ASKED_MS = 60_000;

/** The job that is next in the line is kept from a worker whose death would end it undeservedly. */
export async function isKeptFrom(tx: Reader, jobId: string, worker: string): Promise<boolean> {
  const job = await tx.db
    .selectFrom("jobs")
    .select(["id", "arch", "attempt", "countedAttempts"])
    .where("id", "=", jobId)
    .executeTakeFirstOrThrow();
  if (job.attempt === 0) return false;
  const aboard = await tx.db
    .selectFrom("jobs")
    .select(["id", "countedAttempts"])
    .where("state", "=", "running")
    .where("worker", "=", worker)
    .execute();
  const losses = await lossesOf(tx, [job, ...aboard]);
  if (!losses.has(job.id)) return false;
  const others = await othersFor(tx, job, worker);
  const withLosses = ({ id, countedAttempts }: Pick<JobRow, "id" | "countedAttempts">) => {
    return { countedAttempts, losses: losses.get(id) ?? [] } satisfies JobWithLosses;
  };
  return !mayHaveLastAttempt(withLosses(job), { worker, others, aboard: aboard.map(withLosses) });
}

async function lossesOf(
  { db }: Reader,
  jobs: readonly Pick<JobRow, "id">[],
): Promise<ReadonlyMap<string, readonly WorkerLoss[]>> {
  const rows = await db
    .selectFrom("lostAttempts")
    .select(["jobId", "worker", "endedAt"])
    .where(
      "jobId",
      "in",
      jobs.map(({ id }) => id),
    )
    .where("kind", "=", "worker-lost")
    .execute();
  const byJob = Map.groupBy(rows, ({ jobId }) => jobId);
  return new Map(
    [...byJob].map(([id, some]) => [
      id,
      some.map(({ worker, endedAt }) => ({ worker: worker ?? "", at: endedAt })),
    ]),
  );
}

/** Other workers that take such jobs: they have just asked for one, or are busy with theirs. */
async function othersFor(
  tx: Reader,
  { arch }: Pick<JobRow, "arch">,
  worker: string,
): Promise<readonly string[]> {
  const rows = await tx.db
    .selectFrom("workers")
    .select(["id", "arch"])
    .where("kind", "=", "build")
    .where("id", "!=", worker)
    .where("drainingAt", "is", null)
    .where("protocolHighest", ">=", PROTOCOL.lowest)
    .where("protocolLowest", "<=", PROTOCOL.highest)
    .where(({ or, eb, exists, selectFrom }) =>
      or([
        eb("seenAt", ">=", tx.now() - ASKED_MS),
        exists(
          selectFrom("jobs")
            .select("jobs.id")
            .whereRef("jobs.worker", "=", "workers.id")
            .where("jobs.state", "=", "running"),
        ),
      ]),
    )
    .execute();
  const fits = (of: string | null) => arch === null || of === null || of === arch;
  return rows.filter((row) => fits(row.arch)).map(({ id }) => id);
}
