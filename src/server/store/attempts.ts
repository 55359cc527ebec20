import { nextAttempt, type AttemptLoss } from "../../domain/attempt.ts";
import type { InfraFaultCode } from "../../domain/faults.ts";
import { findBuild, type Changed } from "./builds.ts";
import { cancelReason } from "./cancel-reason.ts";
import { endJobRow, endOpenSteps, ourCard } from "./job-rows.ts";
import { runningJob } from "./leases.ts";
import type { JobRow } from "./schema.ts";
import { settleBuild } from "./settle.ts";
import type { Tx } from "./store.ts";

/** The attempt ended without a result: the job is queued again, or the build ends `errored`. */
export async function loseAttempt(
  tx: Tx,
  job: JobRow,
  loss: {
    readonly kind: AttemptLoss;
    readonly code: InfraFaultCode;
    readonly message: string;
    readonly step: string | null;
  },
): Promise<Changed> {
  const build = await findBuild(tx, job.buildId);
  if (build?.cancelRequestedAt != null) {
    const reason = await cancelReason(tx, build, "cancelled on request");
    await endJobRow(tx, job, { state: "cancelled", reason });
    await endOpenSteps(tx, job, "cancelled");
    return await settleBuild(tx, job.buildId, null);
  }
  const next = nextAttempt(loss.kind, job.countedAttempts);
  if (next.kind === "again") {
    // The next attempt has steps of its own; these would seem to run for ever.
    await endOpenSteps(tx, job, "errored");
    await tx.db
      .updateTable("jobs")
      .set({
        state: "queued",
        reason: loss.message,
        notBeforeAt: tx.now() + next.pauseMs,
        countedAttempts: next.counted ? job.countedAttempts : job.countedAttempts - 1,
        leaseTokenHash: null,
        leaseExpiresAt: null,
      })
      .where("id", "=", job.id)
      .execute();
    return { buildId: job.buildId, queuedJobs: next.pauseMs === 0 ? [job.id] : [] };
  }
  const reason =
    loss.kind === "worker-lost" ? `worker lost ${job.countedAttempts} times` : loss.message;
  await endJobRow(tx, job, { state: "errored", reason });
  await endOpenSteps(tx, job, "errored");
  return await settleBuild(tx, job.buildId, ourCard(loss.code, reason, loss.step));
}

/** A worker could not find out. It says so under its lease. */
export async function reportFault(
  tx: Tx,
  jobId: string,
  token: string,
  fault: { readonly code: InfraFaultCode; readonly message: string; readonly step: string | null },
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  return job && (await loseAttempt(tx, job, { kind: "infra-fault", ...fault }));
}

/** A worker that stops gives its job back; the attempt does not count. */
export async function handBackJob(
  tx: Tx,
  jobId: string,
  token: string,
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  const why = { code: "WORKER_LOST", message: "its worker was stopped", step: null } as const;
  return job && (await loseAttempt(tx, job, { kind: "handed-back", ...why }));
}

/** Attempts whose lease has run out are lost. */
export async function expireLeases(tx: Tx): Promise<readonly Changed[]> {
  const expired = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "running")
    .where("leaseExpiresAt", "<=", tx.now())
    .execute();
  const changes: Changed[] = [];
  for (const job of expired) {
    const message = `worker ${job.worker ?? ""} was lost`;
    const loss = { kind: "worker-lost", code: "WORKER_LOST", message, step: null } as const;
    changes.push(await loseAttempt(tx, job, loss));
  }
  return changes;
}

/** A worker has started anew, so what its earlier life held is lost. */
export async function loseAttemptsOf(tx: Tx, worker: string): Promise<readonly Changed[]> {
  const held = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "running")
    .where("worker", "=", worker)
    .execute();
  const changes: Changed[] = [];
  for (const job of held) {
    const message = `worker ${worker} was restarted`;
    const loss = { kind: "worker-lost", code: "WORKER_LOST", message, step: null } as const;
    changes.push(await loseAttempt(tx, job, loss));
  }
  return changes;
}

/**
 * Jobs that waited too long for any worker end `errored`, so that nothing waits for ever. The next
 * attempt of a job has waited only since the last one was lost.
 */
export async function expireQueuedJobs(tx: Tx, waitMs: number): Promise<readonly Changed[]> {
  const stuck = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("state", "=", "queued")
    // What waits for other jobs, or for approval, is nobody's to take.
    .where("isBlocked", "=", 0)
    .where("buildId", "not in", (builds) =>
      builds.selectFrom("builds").select("builds.id").where("waitReason", "is not", null),
    )
    .where("queuedAt", "<", tx.now() - waitMs)
    .where("notBeforeAt", "<", tx.now() - waitMs)
    .execute();
  const changes: Changed[] = [];
  for (const job of stuck) {
    const reason = "no worker took it";
    await endJobRow(tx, job, { state: "errored", reason });
    changes.push(await settleBuild(tx, job.buildId, ourCard("NO_WORKER", reason, null)));
  }
  return changes;
}
