import type { StepMove } from "../../domain/life/moves.ts";
import type { Write } from "../../domain/life/records.ts";
import { isFinal } from "../../domain/states.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import { freeNevras } from "./free-nevras.ts";
import { ourCard } from "./job-rows.ts";
import { keepLostAttempt } from "./lost-attempts.ts";
import { wantStatus } from "./outbox.ts";
import type { BuildRow, PublishRow, StepRow } from "./schema.ts";
import type { Changed } from "./changed.ts";
import type { Tx } from "./store.ts";

type On<Kind extends Write["on"]> = Extract<Write, { on: Kind }>;

export interface Known {
  /** The build that the decision is about; undefined: it is no build's. */
  readonly build?: BuildRow | undefined;
  /** The card that a worker told. */
  readonly card?: FailureCard | null | undefined;
  /** What else is to be kept of the publish that changes. */
  readonly publishSet?: Partial<PublishRow> | undefined;
}

/**
 * Writes down what `src/domain/life` decided: the only place where the state of a build, job, step or
 * publish is changed. Gives what there is to announce.
 */
export async function writeDown(
  tx: Tx,
  writes: readonly Write[],
  known: Known = {},
): Promise<Changed> {
  let statusId: string | undefined;
  let publishId: string | undefined;
  const queuedJobs: string[] = [];
  for (const write of writes) {
    switch (write.on) {
      case "build":
        statusId = (await writeBuild(tx, write, known.build)) ?? statusId;
        break;
      case "job":
        await writeJob(tx, write);
        if (isClaimable(tx, write)) queuedJobs.push(write.id);
        break;
      case "unblocked":
        await unblock(tx, write);
        queuedJobs.push(write.id);
        break;
      case "open-steps":
        await endOpenSteps(tx, write);
        break;
      case "publish":
        await writePublish(tx, write, known.publishSet);
        if (isClaimable(tx, write)) publishId = write.id;
        break;
      case "cancel-request":
        await requestCancel(tx, write);
        break;
      case "note":
        await addNote(tx, write);
        break;
      case "failure":
        await keepFailure(tx, write, known.card);
        break;
    }
  }
  return { buildId: known.build?.id, statusId, publishId, queuedJobs };
}

/** It is back in the queue, and nothing makes it wait. */
function isClaimable(tx: Tx, { move, set }: On<"job"> | On<"publish">): boolean {
  return move.to === "queued" && (set.notBeforeAt ?? 0) <= tx.now();
}

/** Its state and what its commit shows are one transaction. */
async function writeBuild(
  tx: Tx,
  { id, move, set, text, showsFailure }: On<"build">,
  build: BuildRow | undefined,
): Promise<string | undefined> {
  if (build?.id !== id) throw new Error(`Build ${id} was decided on without its record.`);
  const hidden = isFinal(move.to) && showsFailure !== true ? { failureJson: null } : {};
  const result = await tx.db
    .updateTable("builds")
    .set({ ...set, ...hidden, state: move.to })
    .where("id", "=", id)
    .where("state", "=", move.from)
    .executeTakeFirst();
  expectOne(result, `Build ${id}`, move);
  if (isFinal(move.to)) await freeNevras(tx, id);
  return await wantStatus(tx, build, { state: move.to, text });
}

async function writeJob(tx: Tx, { id, move, set, lost }: On<"job">): Promise<void> {
  const result = await tx.db
    .updateTable("jobs")
    .set({ ...set, state: move.to })
    .where("id", "=", id)
    .where("state", "=", move.from)
    .executeTakeFirst();
  expectOne(result, `Job ${id}`, move);
  if (lost !== undefined) await keepLostAttempt(tx, id, lost);
}

async function writePublish(
  tx: Tx,
  { id, move, set }: On<"publish">,
  more: Partial<PublishRow> | undefined,
): Promise<void> {
  const result = await tx.db
    .updateTable("publishes")
    .set({ ...more, ...set, state: move.to })
    .where("id", "=", id)
    .where("state", "=", move.from)
    .executeTakeFirst();
  expectOne(result, `Publish ${id}`, move);
}

export interface StepKey {
  readonly jobId: string;
  readonly attempt: number;
  readonly name: string;
}

/** What a worker says of a step; without a move it says again, or more of, what is known. */
export async function writeStep(
  tx: Tx,
  { jobId, attempt, name }: StepKey,
  path: readonly StepMove[],
  set: Partial<Omit<StepRow, "state">>,
): Promise<void> {
  const move = path.at(-1);
  await tx.db
    .updateTable("steps")
    .set({ ...set, ...(move && { state: move.to }) })
    .where("jobId", "=", jobId)
    .where("attempt", "=", attempt)
    .where("name", "=", name)
    .execute();
}

/** A record that is not as the decision took it to be is a mistake of ours; nothing is written. */
function expectOne(
  { numUpdatedRows }: { readonly numUpdatedRows: bigint },
  what: string,
  { from, to }: { readonly from: string; readonly to: string },
): void {
  if (numUpdatedRows !== 1n) throw new Error(`${what} is not ${from} and cannot become ${to}.`);
}

async function unblock(tx: Tx, { id, queuedAt }: On<"unblocked">): Promise<void> {
  await tx.db.updateTable("jobs").set({ isBlocked: 0, queuedAt }).where("id", "=", id).execute();
}

/** Steps that had not ended when their attempt did. They began by their worker's clock, which may be ahead. */
async function endOpenSteps(tx: Tx, { jobId, attempt, running }: On<"open-steps">): Promise<void> {
  const now = tx.now();
  const end = (from: "queued" | "running", to: "skipped" | "cancelled" | "errored") =>
    tx.db
      .updateTable("steps")
      .set(({ eb, ref }) => ({
        state: to,
        endedAt: eb.case().when("startedAt", ">", now).then(ref("startedAt")).else(now).end(),
      }))
      .where("jobId", "=", jobId)
      .where("attempt", "=", attempt)
      .where("state", "=", from)
      .execute();
  await end("queued", "skipped");
  await end("running", running);
}

async function requestCancel(tx: Tx, { buildId, at }: On<"cancel-request">): Promise<void> {
  await tx.db
    .updateTable("builds")
    .set({ cancelRequestedAt: at })
    .where("id", "=", buildId)
    .execute();
}

/** Asked for twice it is told once. */
async function addNote(tx: Tx, { buildId, text }: On<"note">): Promise<void> {
  const { note } = await tx.db
    .selectFrom("builds")
    .select("note")
    .where("id", "=", buildId)
    .executeTakeFirstOrThrow();
  if (note?.includes(text) === true) return;
  const both = note === null ? text : `${note} ${text}`;
  await tx.db.updateTable("builds").set({ note: both }).where("id", "=", buildId).execute();
}

/** The first one is what people read; those of jobs that end after it say their own on the page. */
async function keepFailure(
  tx: Tx,
  { buildId, title, fault }: On<"failure">,
  told: FailureCard | null | undefined,
): Promise<void> {
  const card = fault === null ? told : ourCard(fault.code, title, fault.step);
  if (card == null)
    throw new Error(`The failure of build ${buildId} was decided on without a card.`);
  await tx.db
    .updateTable("builds")
    .set({ failureJson: JSON.stringify(card) })
    .where("id", "=", buildId)
    .where("failureJson", "is", null)
    .execute();
}
