import { canBuildMove, isFinal, type FinalState } from "../../domain/states.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { PublishChange } from "../views.ts";
import { cancelReason } from "./cancel-reason.ts";
import { wantStatus } from "./outbox.ts";
import { buildAgain, insertBuild, type AgainOptions } from "./new-builds.ts";
import { freeNevras } from "./free-nevras.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** What changed, for those who are told after the commit. */
export interface Changed {
  readonly buildId?: string | undefined;
  readonly statusId?: string | undefined;
  readonly queuedJobs?: readonly string[];
  /** It may be claimed now. */
  readonly publishId?: string | undefined;
  /** A publish, a build's or not, that is in another state now. */
  readonly publish?: PublishChange | undefined;
}

export { readPlan } from "./stored-plan.ts";

export async function findBuild(tx: Pick<Reader, "db">, id: string): Promise<BuildRow | undefined> {
  return await tx.db.selectFrom("builds").selectAll().where("id", "=", id).executeTakeFirst();
}

/** A queued build starts; queued or running already: nothing changes. */
export async function startBuild(tx: Tx, build: BuildRow): Promise<string | undefined> {
  if (!canBuildMove(build.state, "running")) return undefined;
  await tx.db
    .updateTable("builds")
    .set({ state: "running", startedAt: build.startedAt ?? tx.now() })
    .where("id", "=", build.id)
    .execute();
  return await wantStatus(tx, build, { state: "running", text: "running" });
}

/** Ends a build: its one final state and what its commit shows are one transaction. */
export async function endBuild(
  tx: Tx,
  build: BuildRow,
  end: {
    readonly state: FinalState;
    readonly reason: string | null;
    readonly text: string;
    readonly failure?: FailureCard | null;
  },
): Promise<string | undefined> {
  if (isFinal(build.state)) return undefined;
  // A mistake found before the plan ends a build that never showed as running.
  const hasRun = build.state === "running" || end.state === "passed" || end.state === "failed";
  await tx.db
    .updateTable("builds")
    .set({
      state: end.state,
      reason: end.reason,
      startedAt: build.startedAt ?? (hasRun ? tx.now() : null),
      endedAt: tx.now(),
      failureJson: end.failure ? JSON.stringify(end.failure) : null,
    })
    .where("id", "=", build.id)
    .execute();
  await freeNevras(tx, build.id);
  return await wantStatus(tx, build, end);
}

export type CancelResult = "cancelled" | "cancelling" | "already-final" | "not-found";

/**
 * Cancels a build. What has not started is cancelled at once; what runs is asked to stop, which its
 * worker hears with the next heartbeat. One transaction decides every race.
 */
export async function cancelBuild(
  tx: Tx,
  buildId: string,
  by: string,
): Promise<{ readonly result: CancelResult; readonly running: readonly string[] } & Changed> {
  const build = await findBuild(tx, buildId);
  if (build === undefined) return { result: "not-found", running: [], buildId };
  if (isFinal(build.state)) return { result: "already-final", running: [], buildId };
  const reason = await cancelReason(tx, build, `cancelled by ${by}`);
  const requestedAt = build.cancelRequestedAt ?? tx.now();
  await tx.db
    .updateTable("builds")
    .set({ cancelRequestedAt: requestedAt })
    .where("id", "=", buildId)
    .execute();
  await tx.db
    .updateTable("jobs")
    .set({ state: "cancelled", reason, endedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();
  await tx.db
    .updateTable("publishes")
    .set({ state: "cancelled", endedAt: tx.now() })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .execute();

  const runningJobs = await tx.db
    .selectFrom("jobs")
    .select("id")
    .where("buildId", "=", buildId)
    .where("state", "=", "running")
    .execute();
  const isPublishing = await tx.db
    .selectFrom("publishes")
    .select("id")
    .where("buildId", "=", buildId)
    .where("state", "=", "running")
    .executeTakeFirst();
  const running = runningJobs.map(({ id }) => id);
  if (running.length > 0 || isPublishing !== undefined) {
    return { result: "cancelling", running, buildId };
  }
  const end = { state: "cancelled", reason, text: reason } as const;
  return { result: "cancelled", running, buildId, statusId: await endBuild(tx, build, end) };
}

export type RerunResult =
  | ({ readonly kind: "queued"; readonly id: string; readonly number: number } & Changed)
  | { readonly kind: "not-found" | "not-possible" };

/** A new build of the same commit, with a number of its own; the old one keeps its final state. */
export async function rerunBuild(
  tx: Tx,
  buildId: string,
  by: string,
  options: AgainOptions = {},
): Promise<RerunResult> {
  const old = await findBuild(tx, buildId);
  if (old === undefined) return { kind: "not-found" };
  // The commit of a try goes with its end.
  const isGone = old.sha === null || old.event === "try";
  if (isGone || !isFinal(old.state)) return { kind: "not-possible" };
  const made = await insertBuild(tx, buildAgain(old, by, options));
  return {
    kind: "queued",
    id: made.build.id,
    number: made.build.number,
    buildId: made.build.id,
    statusId: made.statusId,
    queuedJobs: made.queuedJobs,
  };
}

/** Builds of the own remote, recorded before this instant, whose ref was about to move then. */
export async function unreadyBuilds(
  tx: Pick<Reader, "db">,
  beforeAt: number,
): Promise<readonly BuildRow[]> {
  return await tx.db
    .selectFrom("builds")
    .selectAll()
    .where("state", "=", "queued")
    .where("createdAt", "<=", beforeAt)
    .where("isReady", "=", 0)
    .execute();
}

/** The ref has moved: the build may be claimed, unless its commit asks for none. */
export async function makeReady(
  tx: Tx,
  buildId: string,
  facts: {
    readonly sha: string;
    readonly message: string;
    readonly authorName: string;
    /** Why there is nothing to build; null: build it. */
    readonly skip: string | null;
  },
): Promise<Changed> {
  const build = await findBuild(tx, buildId);
  if (build === undefined || build.isReady === 1 || isFinal(build.state)) return { buildId };
  const { sha, message, authorName } = facts;
  await tx.db
    .updateTable("builds")
    .set({ isReady: 1, sha, message, authorName })
    .where("id", "=", buildId)
    .execute();
  const ready = { ...build, sha, message, authorName };
  if (facts.skip !== null) return await skipBuild(tx, ready, facts.skip);
  const statusId = await wantStatus(tx, ready, { state: "queued", text: "queued" });
  const jobs = await tx.db.selectFrom("jobs").select("id").where("buildId", "=", buildId).execute();
  return { buildId, statusId, queuedJobs: jobs.map(({ id }) => id) };
}

export async function skipBuild(tx: Tx, build: BuildRow, reason: string): Promise<Changed> {
  await tx.db
    .updateTable("jobs")
    .set({ state: "skipped", reason, endedAt: tx.now() })
    .where("buildId", "=", build.id)
    .where("state", "=", "queued")
    .execute();
  const statusId = await endBuild(tx, build, { state: "skipped", reason, text: reason });
  return { buildId: build.id, statusId };
}
