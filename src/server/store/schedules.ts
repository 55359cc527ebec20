import { nextTick, parseCron } from "../../domain/cron.ts";
import { branchOf, type ForgeName } from "../../domain/push.ts";
import type { CommitFacts } from "../git-repos.ts";
import { overQuota } from "./deliveries.ts";
import { insertRow } from "./insert-row.ts";
import { insertBuild, type InsertedBuild } from "./new-builds.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** Ticks are kept so long to be told apart; what is older cannot come again. */
const TICKS_KEPT_MS = 30 * 24 * 3_600_000;
const SCHEDULED_BY = "schedule";
const NO_SHA = "0".repeat(40);

/** What the repo's default branch says of schedules, as its newest plan has it. */
export async function rememberSchedules(
  tx: Tx,
  build: Pick<BuildRow, "repo" | "ref" | "number" | "event" | "defaultBranch">,
  patterns: readonly string[],
): Promise<void> {
  const isOfDefault = branchOf(build.ref) === build.defaultBranch && build.defaultBranch !== null;
  const isNewest = build.event === "push" || build.event === "schedule";
  if (!isOfDefault || !isNewest || (await hasNewerPlan(tx, build))) return;
  const known = await tx.db
    .selectFrom("schedules")
    .select("pattern")
    .where("repo", "=", build.repo)
    .execute();
  const gone = known.map(({ pattern }) => pattern).filter((one) => !patterns.includes(one));
  for (const pattern of gone) {
    await tx.db
      .deleteFrom("schedules")
      .where("repo", "=", build.repo)
      .where("pattern", "=", pattern)
      .execute();
  }
  for (const pattern of patterns) {
    const nextAt = tickAfter(pattern, tx.now());
    if (nextAt === undefined) continue;
    const times = { nextAt, lastTickAt: null, createdAt: tx.now() };
    await insertRow(tx, "schedules", { repo: build.repo, pattern, ...times }, "or nothing");
  }
}

/** Pushes are planned in any order. */
async function hasNewerPlan(
  tx: Tx,
  { repo, ref, number }: Pick<BuildRow, "repo" | "ref" | "number">,
): Promise<boolean> {
  const newer = await tx.db
    .selectFrom("builds")
    .select("id")
    .where("repo", "=", repo)
    .where("ref", "=", ref)
    .where("number", ">", number)
    .where("event", "in", ["push", "schedule"])
    .where("pipelineJson", "is not", null)
    .limit(1)
    .executeTakeFirst();
  return newer !== undefined;
}

/** One that a later version of the file's rules would refuse has no next tick. */
function tickAfter(pattern: string, afterMs: number): number | undefined {
  const parsed = parseCron(pattern);
  return parsed.kind === "cron" ? nextTick(parsed.cron, afterMs) : undefined;
}

export interface DueRepo {
  readonly repo: string;
  readonly forge: ForgeName;
  readonly defaultBranch: string;
}

/** Repos of which a schedule's instant has come. */
export async function dueRepos({ db, now }: Reader): Promise<readonly DueRepo[]> {
  const rows = await db
    .selectFrom("schedules")
    .innerJoin("repos", "repos.name", "schedules.repo")
    .select(["schedules.repo", "repos.forge", "repos.defaultBranch"])
    .distinct()
    .where("nextAt", "<=", now())
    .execute();
  return rows.flatMap(({ repo, forge, defaultBranch }) =>
    defaultBranch === null ? [] : [{ repo, forge, defaultBranch }],
  );
}

/**
 * Builds for a repo's due schedules: once for all that are due, and once for all ticks that were
 * missed. The row of the tick is unique, so whoever comes second, in this process or another, finds
 * nothing to do. `head`: the newest commit; undefined: the branch is gone, and the tick with it.
 */
export async function runTick(
  tx: Tx,
  { repo, forge, defaultBranch }: DueRepo,
  head: CommitFacts | undefined,
  limits: { readonly waitingBuildsMax: number },
): Promise<InsertedBuild | undefined> {
  const now = tx.now();
  const due = await tx.db
    .selectFrom("schedules")
    .selectAll()
    .where("repo", "=", repo)
    .where("nextAt", "<=", now)
    .execute();
  if (due.length === 0) return undefined;
  const tickAt = Math.max(...due.map(({ nextAt }) => nextAt));
  for (const { pattern } of due) await advance(tx, repo, pattern, tickAt);
  await tx.db
    .deleteFrom("ticks")
    .where("tickAt", "<", now - TICKS_KEPT_MS)
    .execute();
  const isFirst = await insertRow(tx, "ticks", { repo, tickAt, buildId: null }, "or nothing");
  if (!isFirst || head === undefined) return undefined;
  const made = await insertBuild(tx, {
    repo,
    forge,
    event: "schedule",
    sha: head.sha,
    ref: `refs/heads/${defaultBranch}`,
    before: NO_SHA,
    after: head.sha,
    message: head.message,
    authorName: head.authorName,
    pusher: SCHEDULED_BY,
    trust: "trusted",
    defaultBranch,
    isReady: true,
    rerunOf: null,
    end: await overQuota(tx, repo, limits.waitingBuildsMax),
  });
  await tx.db
    .updateTable("ticks")
    .set({ buildId: made.build.id })
    .where("repo", "=", repo)
    .where("tickAt", "=", tickAt)
    .execute();
  return made;
}

async function advance(tx: Tx, repo: string, pattern: string, lastTickAt: number): Promise<void> {
  const nextAt = tickAfter(pattern, tx.now());
  const { db } = tx;
  if (nextAt === undefined) {
    await db
      .deleteFrom("schedules")
      .where("repo", "=", repo)
      .where("pattern", "=", pattern)
      .execute();
    return;
  }
  await db
    .updateTable("schedules")
    .set({ nextAt, lastTickAt })
    .where("repo", "=", repo)
    .where("pattern", "=", pattern)
    .execute();
}

/**
 * For a moment at which the clock may have been set back: the next tick is the next one by the clock as
 * it is. What was a tick already has its row, and is none again.
 */
export async function replanSchedules(tx: Tx): Promise<void> {
  for (const { repo, pattern, nextAt } of await listSchedules(tx)) {
    const soonest = tickAfter(pattern, tx.now());
    if (soonest === undefined || soonest >= nextAt) continue;
    await tx.db
      .updateTable("schedules")
      .set({ nextAt: soonest })
      .where("repo", "=", repo)
      .where("pattern", "=", pattern)
      .execute();
  }
}

export interface KnownSchedule {
  readonly repo: string;
  readonly pattern: string;
  readonly nextAt: number;
  readonly lastTickAt: number | null;
}

/** All of them, or those of one repo; the soonest first. */
export async function listSchedules(
  { db }: Pick<Reader, "db">,
  repo?: string,
): Promise<readonly KnownSchedule[]> {
  const query = db.selectFrom("schedules").select(["repo", "pattern", "nextAt", "lastTickAt"]);
  const some = repo === undefined ? query : query.where("repo", "=", repo);
  return await some.orderBy("nextAt").orderBy("repo").execute();
}
