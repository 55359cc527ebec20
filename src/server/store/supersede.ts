import { isFinal } from "../../domain/states.ts";
import { isCancelledByNewer, isMovedOn, type MovedRef } from "../../domain/supersede.ts";
import { pullRequestOf } from "../../domain/push.ts";
import { cancelBuild, findBuild, type Changed } from "./builds.ts";
import { readPullRequest } from "./new-builds.ts";
import type { BuildRow } from "./schema.ts";
import { readPlan, waitsForApproval } from "./stored-plan.ts";
import type { Reader, Tx } from "./store.ts";

/** Chains longer than this are not followed: the older build is kept. */
const LOOK_BACK_MAX = 50;

/** A pair of builds of one ref: where the newer one is proven to follow, the older may end. */
export interface Supersession {
  readonly older: BuildRow;
  readonly newer: BuildRow;
}

/**
 * The pairs that a build is part of, now that it is recorded or its plan is known. It is the older
 * build's own file that says whether it ends, so a build without a plan is looked at when it has one.
 */
export async function supersessionsOf(
  tx: Pick<Reader, "db">,
  buildId: string,
): Promise<readonly Supersession[]> {
  const build = await findBuild(tx, buildId);
  if (build === undefined || !isOfPush(build)) return [];
  const nearby = await nearbyOf(tx, build);
  const older = nearby.filter(({ number }) => number < build.number);
  // The newest says most: what is between was superseded itself, or kept for a reason.
  const newest = nearby.find(({ number }) => number > build.number);
  const wanted = [
    ...older.filter(({ mayBeEnded }) => mayBeEnded),
    ...(newest?.mayFollow === true ? [newest] : []),
  ];
  const rows = await rowsOf(tx, wanted);
  const pairs = rows.map((row) =>
    row.number < build.number ? { older: row, newer: build } : { older: build, newer: row },
  );
  return pairs.filter(({ older: one }) => mayEnd(one));
}

interface Nearby {
  readonly id: string;
  readonly number: number;
  readonly mayBeEnded: boolean;
  readonly mayFollow: boolean;
}

/** The last builds of its ref, newest first: this is asked at each push, and most of them end nothing. */
async function nearbyOf({ db }: Pick<Reader, "db">, build: BuildRow): Promise<readonly Nearby[]> {
  const found = await db
    .selectFrom("builds")
    .select(["id", "number", "state", "sha"])
    .select((eb) => [
      eb("cancelRequestedAt", "is", null).as("isWanted"),
      // Without a plan nobody knows yet whether it may be ended; without approval it needs none.
      eb.or([eb("pipelineJson", "is not", null), eb("waitReason", "is not", null)]).as("isKnown"),
    ])
    .where("repo", "=", build.repo)
    .where("ref", "=", build.ref)
    .where("id", "!=", build.id)
    .where("event", "in", ["push", "pull-request"])
    .where("isReady", "=", 1)
    .orderBy("number", "desc")
    .limit(LOOK_BACK_MAX)
    .execute();
  return found.map(({ id, number, state, sha, isWanted, isKnown }) => ({
    id,
    number,
    mayBeEnded: !isFinal(state) && sha !== null && Boolean(isWanted) && Boolean(isKnown),
    mayFollow: sha !== null,
  }));
}

async function rowsOf(
  { db }: Pick<Reader, "db">,
  wanted: readonly Nearby[],
): Promise<readonly BuildRow[]> {
  if (wanted.length === 0) return [];
  const ids = wanted.map(({ id }) => id);
  return await db
    .selectFrom("builds")
    .selectAll()
    .where("id", "in", ids)
    .orderBy("number", "desc")
    .execute();
}

function isOfPush({ event, isReady, sha }: BuildRow): boolean {
  return (event === "push" || event === "pull-request") && isReady === 1 && sha !== null;
}

function mayEnd(build: BuildRow): boolean {
  if (isFinal(build.state) || build.cancelRequestedAt !== null || build.sha === null) return false;
  // An approval that nobody gave is void with the next push.
  if (waitsForApproval(build)) return true;
  const plan = readPlan(build);
  const isPull = pullRequestOf(build.ref) !== undefined;
  return plan !== undefined && isCancelledByNewer(plan.pipeline.onNewerPush, isPull);
}

/** What the forge told proves that the newer build follows. */
export async function isToldDescendant(
  tx: Pick<Reader, "db">,
  { older, newer }: Supersession,
): Promise<boolean> {
  const between = await tx.db
    .selectFrom("builds")
    .select(["number", "before", "after", "isForced"])
    .where("repo", "=", newer.repo)
    .where("ref", "=", newer.ref)
    .where("number", ">", older.number)
    .where("number", "<", newer.number)
    .where("event", "in", ["push", "pull-request"])
    .limit(LOOK_BACK_MAX)
    .execute();
  if (!isMovedOn(moveOf(older), moveOf(newer), between.map(moveOf))) return false;
  return !(await isForcedBranch(tx, newer));
}

/** GitHub says of a pull request's new head not whether it was forced; its branch's push does. */
async function isForcedBranch({ db }: Pick<Reader, "db">, newer: BuildRow): Promise<boolean> {
  const pull = readPullRequest(newer);
  if (pull === null || pull.isFork) return false;
  const push = await db
    .selectFrom("builds")
    .select("id")
    .where("repo", "=", newer.repo)
    .where("ref", "=", `refs/heads/${pull.headBranch}`)
    .where("after", "=", newer.after)
    .where("before", "=", newer.before)
    .where("isForced", "=", 1)
    .limit(1)
    .executeTakeFirst();
  return push !== undefined;
}

function moveOf(build: Pick<BuildRow, "number" | "before" | "after" | "isForced">): MovedRef {
  const { number, before, after, isForced } = build;
  return { number, before, after, isForced: isForced === 1 };
}

export type Superseded = Changed & { readonly running: readonly string[] };

/** Ends the older build, unless it has ended meanwhile. */
export async function supersede(
  tx: Tx,
  { older, newer }: Supersession,
): Promise<Superseded | undefined> {
  const now = await findBuild(tx, older.id);
  if (now === undefined || !mayEnd(now)) return undefined;
  await tx.db
    .updateTable("builds")
    .set({ supersededBy: newer.id })
    .where("id", "=", older.id)
    .execute();
  return await cancelBuild(tx, older.id, `a newer push, #${newer.number}`);
}
