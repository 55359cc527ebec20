import type { CommitState } from "../../domain/commit-status.ts";
import type { StatusRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** GitHub takes a thousand per commit and context, and so do we. */
export const STATUSES_MAX = 1_000;

/** Adds a commit status of the own remote. Undefined: the commit has too many of this context. */
export async function addStatus(
  tx: Tx,
  status: {
    readonly repo: string;
    readonly sha: string;
    readonly context: string;
    readonly state: CommitState;
    readonly description: string;
    readonly targetUrl: string;
  },
): Promise<StatusRow | undefined> {
  const { count } = await tx.db
    .selectFrom("statuses")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("repo", "=", status.repo)
    .where("sha", "=", status.sha)
    .where("context", "=", status.context)
    .executeTakeFirstOrThrow();
  if (count >= STATUSES_MAX) return undefined;
  const row = { ...status, id: tx.newId("t"), createdAt: tx.now() };
  await tx.db.insertInto("statuses").values(row).execute();
  return row;
}

/** Newest first. */
export async function statusesOf(
  tx: Pick<Reader, "db">,
  repo: string,
  sha: string,
): Promise<readonly StatusRow[]> {
  return await tx.db
    .selectFrom("statuses")
    .selectAll()
    .where("repo", "=", repo)
    .where("sha", "=", sha)
    .orderBy("createdAt", "desc")
    .orderBy("id", "desc")
    .limit(100)
    .execute();
}
