import { missedMove, type RefPast } from "../../domain/missed-push.ts";
import type { SeenHeadRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

const MOVES_MAX = 50;
const REPOS_MAX = 2_000;

/** Repos of the forge that have delivered something, the newest first. */
export async function githubRepos({ db }: Pick<Reader, "db">): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("repos")
    .select("name")
    .where("forge", "=", "github")
    .orderBy("createdAt", "desc")
    .limit(REPOS_MAX)
    .execute();
  return rows.map(({ name }) => name);
}

export async function isOwnRepo({ db }: Pick<Reader, "db">, name: string): Promise<boolean> {
  const row = await db
    .selectFrom("repos")
    .select("forge")
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.forge === "own";
}

/** A repo as it was looked at last. */
export interface LastLook {
  /** Undefined: never. */
  readonly firstAt: number | undefined;
  /** Undefined: never. */
  readonly at: number | undefined;
  readonly seen: ReadonlyMap<string, SeenHeadRow>;
  /** Refs of which a push was recorded since. */
  readonly movedRefs: ReadonlySet<string>;
}

export async function lastLook({ db }: Pick<Reader, "db">, repo: string): Promise<LastLook> {
  const look = await db
    .selectFrom("looks")
    .select(["firstAt", "lastAt"])
    .where("repo", "=", repo)
    .executeTakeFirst();
  const seen = await db.selectFrom("seenHeads").selectAll().where("repo", "=", repo).execute();
  return {
    firstAt: look?.firstAt,
    at: look?.lastAt,
    seen: new Map(seen.map((row) => [row.ref, row])),
    movedRefs: await movedSince({ db }, repo, look?.lastAt ?? 0),
  };
}

async function movedSince(
  { db }: Pick<Reader, "db">,
  repo: string,
  sinceAt: number,
): Promise<ReadonlySet<string>> {
  const moved = await db
    .selectFrom("deliveries")
    .select("ref")
    .distinct()
    .where("repo", "=", repo)
    .where("receivedAt", ">=", sinceAt)
    .where("ref", "is not", null)
    .execute();
  return new Set(moved.map(({ ref }) => ref ?? ""));
}

export interface HeadAt {
  readonly repo: string;
  readonly ref: string;
  readonly sha: string;
}

/** Was the push missed that brought the ref there? Asked again in the transaction that records it. */
export async function missedAt(
  reader: Pick<Reader, "db">,
  { repo, ref, sha }: HeadAt,
  look: { readonly isFirst: boolean; readonly startedAt: number },
): Promise<{ readonly before: string } | undefined> {
  const past = await pastOf(reader, repo, ref);
  // What came after the look began may be newer than what it saw.
  if (past.moves.some(({ receivedAt }) => receivedAt >= look.startedAt)) return undefined;
  return missedMove(sha, past, look.isFirst);
}

async function pastOf({ db }: Pick<Reader, "db">, repo: string, ref: string): Promise<RefPast> {
  const moves = await db
    .selectFrom("deliveries")
    .select(["before", "after", "receivedAt"])
    .where("repo", "=", repo)
    .where("ref", "=", ref)
    .where("disposition", "in", ["accepted", "duplicate"])
    .orderBy("receivedAt", "desc")
    .orderBy("id", "desc")
    .limit(MOVES_MAX)
    .execute();
  const seen = await db
    .selectFrom("seenHeads")
    .select(["sha", "seenAt"])
    .where("repo", "=", repo)
    .where("ref", "=", ref)
    .executeTakeFirst();
  const known = moves.flatMap(({ before, after, receivedAt }) =>
    before === null || after === null ? [] : [{ before, after, receivedAt }],
  );
  return { seen, moves: known.toReversed() };
}

/** What the refs name is now the past that the next look compares with. */
export async function rememberLook(
  tx: Tx,
  repo: string,
  look: {
    readonly startedAt: number;
    readonly heads: readonly HeadAt[];
    readonly goneRefs: readonly string[];
  },
): Promise<void> {
  const { startedAt } = look;
  await rememberHeads(tx, repo, look);
  await forgetHeads(tx, repo, look.goneRefs);
  await tx.db
    .insertInto("looks")
    .values({ repo, firstAt: startedAt, lastAt: startedAt })
    .onConflict((conflict) => conflict.column("repo").doUpdateSet({ lastAt: startedAt }))
    .execute();
}

/**
 * Except where a push was recorded since the look began: what the list says of such a ref may be
 * older.
 */
export async function rememberHeads(
  tx: Tx,
  repo: string,
  { startedAt, heads }: { readonly startedAt: number; readonly heads: readonly HeadAt[] },
): Promise<void> {
  const moved = await movedSince(tx, repo, startedAt);
  for (const { ref, sha } of heads) {
    if (!moved.has(ref)) await rememberHead(tx, { repo, ref, sha }, startedAt);
  }
}

export async function forgetHeads(tx: Tx, repo: string, refs: readonly string[]): Promise<void> {
  for (const ref of refs) {
    await tx.db.deleteFrom("seenHeads").where("repo", "=", repo).where("ref", "=", ref).execute();
  }
}

export async function rememberHead(
  tx: Tx,
  { repo, ref, sha }: HeadAt,
  seenAt: number,
): Promise<void> {
  await tx.db
    .insertInto("seenHeads")
    .values({ repo, ref, sha, seenAt })
    .onConflict((conflict) => conflict.columns(["repo", "ref"]).doUpdateSet({ sha, seenAt }))
    .execute();
}
