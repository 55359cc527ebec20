import { sql, type SqlBool } from "kysely";
import { STATUS_CONTEXT } from "../../domain/commit-status.ts";
import type { RefusedStatus, RefusedStatuses, StuckPublishes, StuckStatuses } from "../stuck.ts";
import { isInPushOrder } from "./publish-order.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** What has waited so long is told, with what to look at. */
export const WAITING_ALARM_MS = 10 * 60_000;
/** A publish worker asks at least every 45 s. */
const WORKER_ALIVE_MS = 60_000;
const REFUSED_TOLD_MS = 7 * 24 * 3_600_000;

/** Statuses that their forge will never take, of the last 7 days; null: there are none. */
export async function refusedStatuses({ db, now }: Reader): Promise<RefusedStatuses | null> {
  const since = now() - REFUSED_TOLD_MS;
  const refused = db.selectFrom("outbox").where("terminalAt", ">", since);
  const last = await refused
    .select(["repo", "buildNumber", "terminalReason"])
    .orderBy("terminalAt", "desc")
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return null;
  const { count } = await refused
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  const { repo, buildNumber: number, terminalReason } = last;
  return { count, last: { repo, number, reason: terminalReason ?? "" } };
}

/** What the forge said to the status that this build wanted; null: it took it, or may yet. */
export async function refusedStatusOf(
  { db }: Reader,
  { id, forge, repo, sha }: Pick<BuildRow, "id" | "forge" | "repo" | "sha">,
): Promise<RefusedStatus | null> {
  if (sha === null) return null;
  const row = await db
    .selectFrom("outbox")
    .select(["buildId", "state", "terminalReason", "terminalAt"])
    .where("forge", "=", forge)
    .where("repo", "=", repo)
    .where("sha", "=", sha)
    .where("context", "=", STATUS_CONTEXT)
    .executeTakeFirst();
  if (row?.buildId !== id || row.terminalReason === null) return null;
  return { state: row.state, reason: row.terminalReason, at: row.terminalAt ?? 0 };
}

/** Publish requests that could run and that nobody has taken for long; null: there are none. */
export async function stuckPublishes({ db, now }: Reader): Promise<StuckPublishes | null> {
  const before = now() - WAITING_ALARM_MS;
  const oldest = await db
    .selectFrom("publishes")
    .select("queuedAt")
    .where("state", "=", "queued")
    .where("queuedAt", "<", before)
    .where("notBeforeAt", "<", before)
    // What waits for an older build of its branch waits for no worker.
    .where(isInPushOrder)
    .orderBy("queuedAt")
    .limit(1)
    .executeTakeFirst();
  if (oldest === undefined) return null;
  const worker = await db
    .selectFrom("workers")
    .select("id")
    .where("kind", "=", "publish")
    .where("seenAt", ">", now() - WORKER_ALIVE_MS)
    .limit(1)
    .executeTakeFirst();
  // One that is busy asks for nothing.
  const running = await db
    .selectFrom("publishes")
    .select("id")
    .where("state", "=", "running")
    .where("leaseExpiresAt", ">", now())
    .limit(1)
    .executeTakeFirst();
  return { oldestAt: oldest.queuedAt, hasWorker: (worker ?? running) !== undefined };
}

/**
 * Statuses that nobody could post for long; null: there are none. Those of a forge that refuses our
 * credential wait for that, which is told by itself.
 */
export async function stuckStatuses({ db, now }: Reader): Promise<StuckStatuses | null> {
  const oldest = await db
    .selectFrom("outbox")
    .select(["repo", "lastProblem", "updatedAt"])
    .where(sql<SqlBool>`version > "sentVersion"`)
    .where("terminalReason", "is", null)
    .where("updatedAt", "<", now() - WAITING_ALARM_MS)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("credentials")
            .select("credentials.forge")
            .whereRef("credentials.forge", "=", "outbox.forge")
            .where("parkedReason", "is not", null),
        ),
      ),
    )
    .orderBy("updatedAt")
    .limit(1)
    .executeTakeFirst();
  if (oldest === undefined) return null;
  const { repo, lastProblem, updatedAt } = oldest;
  return { oldestAt: updatedAt, repo, problem: lastProblem };
}
