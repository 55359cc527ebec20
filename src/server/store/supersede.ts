import { sql, type SqlBool } from "kysely";
import { isFinal } from "../../domain/states.ts";
import { hasLeft, isCancelledByNewer, isMovedOn, type MovedRef } from "../../domain/supersede.ts";
import { pullRequestOf } from "../../domain/push.ts";
import { cancelBuild, findBuild, type Changed } from "./builds.ts";
import { hotQuery } from "./hot-query.ts";
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
  const newest = (await newestAfter(tx, { buildId })).filter(({ sha }) => sha !== null);
  const ids = [...(await olderOf(tx, { buildId })), ...newest].map(({ id }) => id);
  // This is asked at each push, and most of them end nothing.
  const build = ids.length === 0 ? undefined : await findBuild(tx, buildId);
  if (build === undefined) return [];
  const rows = await rowsOf(tx, ids);
  const pairs = rows.map((row) =>
    row.number < build.number ? { older: row, newer: build } : { older: build, newer: row },
  );
  return pairs.filter(({ older: one }) => mayEnd(one));
}

interface OfBuild {
  readonly buildId: string;
}

/** Those of its ref that its push may end. */
const olderOf = hotQuery((db, of: OfBuild) =>
  db
    .selectFrom("builds as build")
    .innerJoin("builds as older", (join) =>
      join
        .onRef("older.repo", "=", "build.repo")
        .onRef("older.ref", "=", "build.ref")
        .onRef("older.number", "<", "build.number"),
    )
    .select("older.id")
    .where("build.id", "=", of.buildId)
    .where(isOfPush("build"))
    .where("build.sha", "is not", null)
    .where(isUnderWay("older"))
    .where(isOfPush("older"))
    .where("older.number", ">=", ({ selectFrom }) =>
      selectFrom((from) =>
        from
          .selectFrom("builds as near")
          .select("near.number")
          .whereRef("near.repo", "=", "build.repo")
          .whereRef("near.ref", "=", "build.ref")
          .whereRef("near.number", "<", "build.number")
          .orderBy("near.number", "desc")
          .limit(LOOK_BACK_MAX)
          .as("nearby"),
      ).select(({ fn }) => fn.min("nearby.number").as("first")),
    ),
);

/** The newest says most: what is between was superseded itself, or kept for a reason. */
const newestAfter = hotQuery((db, of: OfBuild) =>
  db
    .selectFrom("builds as build")
    .innerJoin("builds as newer", (join) =>
      join
        .onRef("newer.repo", "=", "build.repo")
        .onRef("newer.ref", "=", "build.ref")
        .onRef("newer.number", ">", "build.number"),
    )
    .select(["newer.id", "newer.sha"])
    .where("build.id", "=", of.buildId)
    .where(isUnderWay("build"))
    .where(isOfPush("build"))
    .where(isOfPush("newer"))
    .orderBy("newer.number", "desc")
    .limit(1),
);

const PUSH_EVENTS: ReadonlySet<BuildRow["event"]> = new Set(["push", "pull-request"]);

/** A push whose ref has moved. */
function isOfPush(name: string) {
  const build = sql.id(name);
  return sql<SqlBool>`${build}."event" in ('push', 'pull-request') and ${build}."isReady" = 1`;
}

/**
 * Without a plan nobody knows yet whether it may be ended; without approval it needs none. Word for
 * word what the index `buildsToSupersede` holds.
 */
function isUnderWay(name: string) {
  const build = sql.id(name);
  const isKnown = sql`(${build}."pipelineJson" is not null or ${build}."waitReason" is not null)`;
  return sql<SqlBool>`${build}."state" in ('queued', 'running') and ${isKnown}`;
}

async function rowsOf(
  { db }: Pick<Reader, "db">,
  ids: readonly string[],
): Promise<readonly BuildRow[]> {
  return await db
    .selectFrom("builds")
    .selectAll()
    .where("id", "in", ids)
    .orderBy("number", "desc")
    .execute();
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

/** Later pushes have moved the build's ref away from its commit, to where a worker has just seen it. */
export async function hasRefLeft(
  tx: Pick<Reader, "db">,
  buildId: string,
  seen: string | null,
): Promise<boolean> {
  const build = await findBuild(tx, buildId);
  if (build?.isReady !== 1 || !PUSH_EVENTS.has(build.event)) return false;
  const later = await tx.db
    .selectFrom("builds")
    .select(["before", "after"])
    .where("repo", "=", build.repo)
    .where("ref", "=", build.ref)
    .where("number", ">", build.number)
    .where("event", "in", ["push", "pull-request"])
    .where("isReady", "=", 1)
    .orderBy("number")
    .limit(LOOK_BACK_MAX)
    .execute();
  return hasLeft(build, seen, later);
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
