import { endJob as ended } from "../../domain/life/job-ends.ts";
import { grantJob, standingOf } from "../../domain/life/lease.ts";
import { pathOfStep } from "../../domain/life/moves.ts";
import type { State } from "../../domain/states.ts";
import type { EndMessage, StepMessage } from "../../shared/build-messages.ts";
import { findBuild } from "./builds.ts";
import type { Changed } from "./changed.ts";
import { pickJob, type Claimer } from "./claim-order.ts";
import { insertArtifacts, insertSteps } from "./job-rows.ts";
import { hashToken, leasedJob, runningJob, type Lease } from "./leases.ts";
import type { BuildRow, JobRow } from "./schema.ts";
import { buildRecord, jobRecord, lifeOf } from "./life-records.ts";
import { carryOut } from "./settle.ts";
import { specOf } from "./stored-plan.ts";
import { withHistory } from "./test-history.ts";
import type { Tx } from "./store.ts";
import { writeDown, writeStep, type StepKey } from "./write-down.ts";

export interface GrantedJob {
  readonly job: JobRow;
  readonly build: BuildRow;
  readonly statusId: string | undefined;
}

/** Grants the next job that this worker may run; its token fences everything that follows. */
export async function claimJob(
  tx: Tx,
  worker: string,
  token: string,
  claimer: Claimer = {},
): Promise<GrantedJob | undefined> {
  const id = await pickJob(tx, worker, claimer);
  if (id === undefined) return undefined;
  const next = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  const build = await findBuild(tx, next.buildId);
  if (build === undefined) return undefined;

  const claim = { worker, tokenHash: hashToken(token), arch: claimer.arch ?? null, now: tx.now() };
  const { writes } = grantJob(jobRecord(next), await buildRecord(tx, build), claim);
  const grant = writes.find((write) => write.on === "job");
  if (grant === undefined) return undefined;
  const { statusId } = await writeDown(tx, writes, { build });
  const job: JobRow = { ...next, ...grant.set, state: grant.move.to };
  await insertSteps(tx, job, specOf(job)?.steps ?? []);
  return { job, build, statusId };
}

/** Records a change of a step. Saying it twice changes nothing. */
export async function recordStep(
  tx: Tx,
  { jobId, token }: Lease,
  name: string,
  message: StepMessage,
): Promise<Changed | undefined> {
  const job = await runningJob(tx, jobId, token);
  if (job === undefined) return undefined;
  const key = { jobId, attempt: job.attempt, name };
  const isEnd = message.state !== "running";
  const details = isEnd ? message.details : null;
  const set = {
    ...(message.startedAt === null ? {} : { startedAt: message.startedAt }),
    endedAt: isEnd ? message.endedAt : null,
    note: isEnd ? message.note : null,
    detailsJson: details === null ? null : JSON.stringify(details),
    failureJson: isEnd && message.failure !== null ? JSON.stringify(message.failure) : null,
  };
  // Only `checkout` comes before the plan; it is always the first.
  const known = (await stepState(tx, key)) ?? (await insertCheckout(tx, key));
  const path = pathOfStep(known, message.state);
  // The answer to the first sending was lost, or a late "running" would reopen what has ended.
  if (path === undefined && known !== message.state) return { buildId: job.buildId };
  await writeStep(tx, key, path ?? [], set);
  return { buildId: job.buildId };
}

async function stepState(tx: Tx, { jobId, attempt, name }: StepKey): Promise<State | undefined> {
  const row = await tx.db
    .selectFrom("steps")
    .select("state")
    .where("jobId", "=", jobId)
    .where("attempt", "=", attempt)
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.state;
}

async function insertCheckout(tx: Tx, { jobId, attempt, name }: StepKey): Promise<State> {
  await insertSteps(tx, { id: jobId, attempt }, [
    { name, title: name, kind: "checkout", skip: null },
  ]);
  return "queued";
}

/** What the worker read in the repository, and nobody else can read again. */
async function storeTexts(tx: Tx, build: BuildRow, { errata, file }: EndMessage): Promise<void> {
  const set = {
    ...(errata != null && { errata }),
    // Of a file that was planned the whole text is there already.
    ...(file != null && build.fileJson === null && { fileJson: JSON.stringify(file) }),
  };
  if (Object.keys(set).length === 0) return;
  await tx.db.updateTable("builds").set(set).where("id", "=", build.id).execute();
}

/** Ends the job with its result and settles the build, all in one transaction. */
export async function endJob(
  tx: Tx,
  jobId: string,
  token: string,
  end: EndMessage,
): Promise<Changed | undefined> {
  const job = await leasedJob(tx, jobId, token);
  if (job === undefined) return undefined;
  // The answer to the first sending was lost.
  if (standingOf(job, true) === "ended") return { buildId: job.buildId };
  const build = await findBuild(tx, job.buildId);
  if (standingOf(job, true) === "stale" || build === undefined) return undefined;
  // A worker of an earlier version, whose plan this one cannot read: it is planned again.
  if (job.specJson === null && end.state === "passed") return undefined;

  await insertArtifacts(tx, job, end);
  await storeTexts(tx, build, end);
  const card = await withHistory(tx, job, end.failure);
  const { state, reason } = end;
  const told = { state, reason, failureTitle: card?.title ?? null };
  const verdict = ended(await lifeOf(tx, build), jobRecord(job), told, tx.now());
  return await carryOut(tx, build, verdict, card);
}
