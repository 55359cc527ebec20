import { createHash, timingSafeEqual } from "node:crypto";
import { leaseUntil, standingOf } from "../../domain/life/lease.ts";
import { findBuild } from "./builds.ts";
import type { JobRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** What a worker shows with every write. */
export interface Lease {
  readonly jobId: string;
  readonly token: string;
}

export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** The job, if `token` is that of its newest attempt; else the caller is stale. */
export async function leasedJob(
  tx: Pick<Reader, "db">,
  jobId: string,
  token: string,
): Promise<JobRow | undefined> {
  const job = await tx.db.selectFrom("jobs").selectAll().where("id", "=", jobId).executeTakeFirst();
  if (job?.leaseTokenHash == null) return undefined;
  const given = Buffer.from(hashToken(token), "hex");
  return timingSafeEqual(given, Buffer.from(job.leaseTokenHash, "hex")) ? job : undefined;
}

/** The job, if it runs under this very lease. */
export async function runningJob(
  tx: Tx,
  jobId: string,
  token: string,
): Promise<JobRow | undefined> {
  const job = await leasedJob(tx, jobId, token);
  return job !== undefined && standingOf(job, true) === "holder" ? job : undefined;
}

/** Renews the lease. Undefined: the caller is stale. */
export async function renewLease(
  tx: Tx,
  jobId: string,
  token: string,
): Promise<{ readonly cancel: boolean; readonly worker: string | null } | undefined> {
  const job = await runningJob(tx, jobId, token);
  if (job === undefined) return undefined;
  await tx.db
    .updateTable("jobs")
    .set({ leaseExpiresAt: leaseUntil(job.goodbyeAt, tx.now()) })
    .where("id", "=", jobId)
    .execute();
  const build = await findBuild(tx, job.buildId);
  return { cancel: build?.cancelRequestedAt != null, worker: job.worker };
}

/** The lease's clock stood still while the server was down: everybody gets one full period. */
export async function restartLeaseClocks(tx: Tx): Promise<void> {
  const leaseExpiresAt = leaseUntil(null, tx.now());
  const running = tx.db.updateTable("jobs").where("state", "=", "running");
  await running.where("goodbyeAt", "is", null).set({ leaseExpiresAt }).execute();
  const away = { leaseExpiresAt: leaseUntil(tx.now(), tx.now()) };
  await running.where("goodbyeAt", "is not", null).set(away).execute();
  await tx.db
    .updateTable("publishes")
    .set({ leaseExpiresAt })
    .where("state", "=", "running")
    .execute();
}

/** Attempts that run now, for the reapers. */
export async function liveAttempts(tx: Pick<Reader, "db">) {
  const rows = await tx.db
    .selectFrom("jobs")
    .select(["id as jobId", "attempt"])
    .where("state", "=", "running")
    .execute();
  return rows;
}
