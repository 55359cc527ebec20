import type { ClaimRequest } from "../../shared/worker-messages.ts";
import { PROTOCOL } from "../../shared/protocol.ts";
import { loseAttempt, type Loss } from "../../domain/life/job-ends.ts";
import { decideOnJob } from "./attempts.ts";
import type { Changed } from "./changed.ts";
import type { WorkerRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

export type WorkerKind = WorkerRow["kind"];

/** A row that is younger is not written again: an idle worker asks every half minute. */
const SEEN_FRESH_MS = 10_000;
const FORGOTTEN_MS = 30 * 24 * 3_600_000;

/** Ranges of versions that meet can talk. */
export function speaksWithUs({ lowest, highest }: ClaimRequest["protocol"]): boolean {
  return highest >= PROTOCOL.lowest && lowest <= PROTOCOL.highest;
}

/** Keeps what a worker says of itself when it asks for work. `mayClaim`: false while it is drained. */
export async function noteWorker(
  tx: Tx,
  kind: WorkerKind,
  { worker: id, arch, protocol, version, slots }: ClaimRequest,
): Promise<{ readonly mayClaim: boolean }> {
  const now = tx.now();
  const said = {
    kind,
    arch: arch ?? null,
    version: version ?? null,
    slots: slots ?? null,
    protocolLowest: protocol.lowest,
    protocolHighest: protocol.highest,
  };
  const known = await tx.db
    .selectFrom("workers")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (known === undefined) {
    const none = { drainingAt: null, drainUntilAt: null, drainNote: null };
    const row = { id, ...said, firstSeenAt: now, seenAt: now, ...none };
    await tx.db.insertInto("workers").values(row).execute();
    return { mayClaim: true };
  }
  const isSame = Object.entries(said).every(
    ([key, value]) => known[key as keyof WorkerRow] === value,
  );
  if (!isSame || Math.abs(now - known.seenAt) > SEEN_FRESH_MS) {
    const set = { ...said, seenAt: now };
    await tx.db.updateTable("workers").set(set).where("id", "=", id).execute();
  }
  return { mayClaim: known.drainingAt === null };
}

export interface WorkerRecord extends WorkerRow {
  /** Jobs or publishes that it holds now. */
  readonly running: readonly { readonly id: string; readonly startedAt: number | null }[];
}

/** Those that were ever heard of, by their names. */
export async function readWorkers({ db }: Reader): Promise<readonly WorkerRecord[]> {
  const rows = await db.selectFrom("workers").selectAll().orderBy("kind").orderBy("id").execute();
  const jobs = await db
    .selectFrom("jobs")
    .select(["id", "worker", "startedAt"])
    .where("state", "=", "running")
    .execute();
  const publishes = await db
    .selectFrom("publishes")
    .select(["id", "worker", "startedAt"])
    .where("state", "=", "running")
    .execute();
  const held = { build: jobs, publish: publishes };
  return rows.map((row) => ({
    ...row,
    running: held[row.kind].filter(({ worker }) => worker === row.id),
  }));
}

export interface DrainWish {
  readonly note: string | null;
  /** What still runs then is handed back, epoch milliseconds. */
  readonly untilAt: number;
}

/** From now on it gets nothing. It stays so over restarts, its own and ours. False: never heard of. */
export async function drainWorker(tx: Tx, id: string, wish: DrainWish): Promise<boolean> {
  const known = await tx.db
    .selectFrom("workers")
    .select(["drainingAt", "drainNote"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (known === undefined) return false;
  await tx.db
    .updateTable("workers")
    .set({
      drainingAt: known.drainingAt ?? tx.now(),
      drainUntilAt: wish.untilAt,
      // Whoever drains it again, with `--now` perhaps, has not taken back why.
      drainNote: wish.note ?? known.drainNote,
    })
    .where("id", "=", id)
    .execute();
  return true;
}

/** False: never heard of. */
export async function resumeWorker(tx: Tx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("workers")
    .set({ drainingAt: null, drainUntilAt: null, drainNote: null })
    .where("id", "=", id)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Takes it off the list; one that asks for work again is on it again. */
export async function forgetWorker(tx: Tx, id: string): Promise<void> {
  await tx.db.deleteFrom("workers").where("id", "=", id).execute();
}

/** Machines come and go, some under a new name each time; those long gone would be listed for ever. */
export async function forgetGone(tx: Tx): Promise<void> {
  await tx.db
    .deleteFrom("workers")
    .where("seenAt", "<", tx.now() - FORGOTTEN_MS)
    .execute();
}

export interface HandedBack {
  readonly jobIds: readonly string[];
  readonly changes: readonly Changed[];
}

/**
 * Takes back what drained workers hold although their time is over: queued again at once, and the
 * attempt does not count. Their leases are void, so they stop their containers and write nothing.
 */
export async function takeBackOverdue(tx: Tx): Promise<HandedBack> {
  const overdue = await tx.db
    .selectFrom("jobs")
    .innerJoin("workers", "workers.id", "jobs.worker")
    .selectAll("jobs")
    .where("jobs.state", "=", "running")
    .where("workers.kind", "=", "build")
    .where("workers.drainingAt", "is not", null)
    .where("workers.drainUntilAt", "<=", tx.now())
    .execute();
  const changes: Changed[] = [];
  for (const job of overdue) {
    const message = `worker ${job.worker ?? ""} was drained`;
    const loss: Loss = { kind: "handed-back", code: "WORKER_LOST", message, step: null };
    changes.push(await decideOnJob(tx, job, (life, own, now) => loseAttempt(life, own, loss, now)));
  }
  return { jobIds: overdue.map(({ id }) => id), changes };
}
