import type { ForgeName } from "../../domain/push.ts";
import { insertRow } from "./insert-row.ts";
import { wantStatus } from "./outbox.ts";
import type { BuildRow } from "./schema.ts";
import type { Tx } from "./store.ts";

/** What a new build is made from; its number is the repo's next one. */
export interface NewBuild {
  readonly repo: string;
  readonly forge: ForgeName;
  readonly event: "push" | "rerun";
  readonly sha: string | null;
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  readonly message: string;
  readonly authorName: string;
  readonly pusher: string;
  readonly trust: string;
  readonly defaultBranch: string | null;
  readonly isReady: boolean;
  readonly rerunOf: string | null;
  /** Ends at birth: nothing to build, or over quota. */
  readonly end: { readonly state: "skipped" | "cancelled"; readonly reason: string } | null;
}

export interface InsertedBuild {
  readonly build: BuildRow;
  readonly statusId: string | undefined;
  /** Jobs that may be claimed now. */
  readonly queuedJobs: readonly string[];
}

/** A build is recorded together with its first job and what its commit shows. */
export async function insertBuild(tx: Tx, made: NewBuild): Promise<InsertedBuild> {
  const now = tx.now();
  const { end, isReady, ...facts } = made;
  const build: BuildRow = {
    ...facts,
    id: tx.newId("b"),
    number: await takeNumber(tx, made.repo),
    state: end?.state ?? "queued",
    reason: end?.reason ?? null,
    isReady: isReady ? 1 : 0,
    createdAt: now,
    startedAt: null,
    endedAt: end === null ? null : now,
    cancelRequestedAt: null,
    pipelineJson: null,
    note: null,
    failureJson: null,
    errata: null,
  };
  await insertRow(tx, "builds", build);
  const jobId = end === null ? await insertFirstJob(tx, build.id) : undefined;
  // What is not ready has a commit that nobody has looked at yet.
  const text = end?.reason ?? "queued";
  const statusId = isReady ? await wantStatus(tx, build, { state: build.state, text }) : undefined;
  return { build, statusId, queuedJobs: jobId !== undefined && isReady ? [jobId] : [] };
}

export function buildAgain(old: BuildRow, by: string): NewBuild {
  const { repo, forge, sha, ref, before, after, message, authorName, trust, defaultBranch } = old;
  const same = { repo, forge, sha, ref, before, after, message, authorName, trust, defaultBranch };
  return { ...same, event: "rerun", pusher: by, isReady: true, rerunOf: old.id, end: null };
}

async function takeNumber(tx: Tx, repo: string): Promise<number> {
  const row = await tx.db
    .updateTable("repos")
    .set((expression) => ({ nextNumber: expression("nextNumber", "+", 1) }))
    .where("name", "=", repo)
    .returning("nextNumber")
    .executeTakeFirstOrThrow();
  return row.nextNumber - 1;
}

async function insertFirstJob(tx: Tx, buildId: string): Promise<string> {
  const id = tx.newId("j");
  await insertRow(tx, "jobs", {
    id,
    buildId,
    position: 0,
    target: null,
    state: "queued",
    reason: null,
    attempt: 0,
    countedAttempts: 0,
    notBeforeAt: 0,
    queuedAt: tx.now(),
    startedAt: null,
    endedAt: null,
    worker: null,
    leaseTokenHash: null,
    leaseExpiresAt: null,
  });
  return id;
}
