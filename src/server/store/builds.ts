import { cancelBuild as decideCancel, skipBuild as decideSkip } from "../../domain/life/cancel.ts";
import { isFinal } from "../../domain/states.ts";
import type { Changed } from "./changed.ts";
import { lifeOf } from "./life-records.ts";
import { wantStatus } from "./outbox.ts";
import { buildAgain, insertBuild, type AgainOptions } from "./new-builds.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";
import { writeDown } from "./write-down.ts";

export type { Changed } from "./changed.ts";
export { readPlan } from "./stored-plan.ts";

export async function findBuild(tx: Pick<Reader, "db">, id: string): Promise<BuildRow | undefined> {
  return await tx.db.selectFrom("builds").selectAll().where("id", "=", id).executeTakeFirst();
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
  const { writes, result, running } = decideCancel(await lifeOf(tx, build), by, tx.now());
  return { ...(await writeDown(tx, writes, { build })), result, running };
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
    .orderBy("createdAt")
    .orderBy("number")
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
  const { writes } = decideSkip(await lifeOf(tx, build), reason, tx.now());
  return await writeDown(tx, writes, { build });
}
