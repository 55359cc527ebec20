import { PRIORITY } from "../../domain/job-priority.ts";
import type { ForgeName } from "../../domain/push.ts";
import type { CommitFacts } from "../git-repos.ts";
import { overQuota } from "./deliveries.ts";
import { insertBuild, type InsertedBuild } from "./new-builds.ts";
import type { Reader, Tx } from "./store.ts";

const NO_SHA = "0".repeat(40);

export interface ManualWish {
  readonly repo: string;
  readonly forge: ForgeName;
  readonly defaultBranch: string | null;
  readonly ref: string;
  readonly commit: CommitFacts;
  readonly params: Readonly<Record<string, string>>;
  readonly isFresh: boolean;
  readonly by: string;
}

/** A build that a person asked for. Text: it is refused, and why. */
export async function insertManualBuild(
  tx: Tx,
  { commit, by, params, ...wish }: ManualWish,
  limits: { readonly waitingBuildsMax: number },
): Promise<InsertedBuild | string> {
  const quota = await overQuota(tx, wish.repo, limits.waitingBuildsMax);
  if (quota !== null) return quota.reason;
  return await insertBuild(tx, {
    ...wish,
    event: "manual",
    sha: commit.sha,
    before: NO_SHA,
    after: commit.sha,
    message: commit.message.slice(0, 2_000),
    authorName: commit.authorName,
    pusher: by,
    trust: "manual",
    isReady: true,
    rerunOf: null,
    end: null,
    params,
  });
}

/** Was this commit built before as what the ref named, and by one who may write? */
export async function wasOnRef(
  { db }: Pick<Reader, "db">,
  { repo, ref, sha }: { readonly repo: string; readonly ref: string; readonly sha: string },
): Promise<boolean> {
  const known = await db
    .selectFrom("builds")
    .select("id")
    .where("repo", "=", repo)
    .where("ref", "=", ref)
    .where("sha", "=", sha)
    .where("event", "in", ["push", "schedule"])
    .where("trust", "=", "trusted")
    .limit(1)
    .executeTakeFirst();
  return known !== undefined;
}

/** What of a build still waits goes before everything else. False: nothing of it waits. */
export async function bumpBuild(tx: Tx, buildId: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("jobs")
    .set({ priority: PRIORITY.bumped })
    .where("buildId", "=", buildId)
    .where("state", "=", "queued")
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** From now on the repo's builds find no cache; the number is part of every cache's key. */
export async function clearCaches(tx: Tx, repo: string): Promise<number | undefined> {
  const row = await tx.db
    .updateTable("repos")
    .set((expression) => ({ cacheEpoch: expression("cacheEpoch", "+", 1) }))
    .where("name", "=", repo)
    .returning("cacheEpoch")
    .executeTakeFirst();
  return row?.cacheEpoch;
}
