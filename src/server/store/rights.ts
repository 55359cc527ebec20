import { inChunks } from "./chunks.ts";
import type { AllowanceRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** Name → the repo that owns it; names that nobody owns are missing. */
export async function ownersOf(
  { db }: Pick<Reader, "db">,
  names: Iterable<string>,
): Promise<ReadonlyMap<string, string>> {
  const rows = await inChunks(names, (some) =>
    db.selectFrom("packageNames").select(["name", "repo"]).where("name", "in", some).execute(),
  );
  return new Map(rows.map(({ name, repo }) => [name, repo]));
}

/** The first repo to publish a name owns it. */
export async function takeNames(tx: Tx, names: Iterable<string>, repo: string): Promise<void> {
  for (const name of new Set(names)) {
    await tx.db
      .insertInto("packageNames")
      .values({ name, repo, since: tx.now() })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .execute();
  }
}

/** The name belongs to another repo from now on, or to the first to publish it when `repo` is null. */
export async function transferName(tx: Tx, name: string, repo: string | null): Promise<void> {
  await tx.db.deleteFrom("packageNames").where("name", "=", name).execute();
  if (repo !== null) await takeNames(tx, [name], repo);
}

/** All allowances, or those of one repo, newest first. */
export async function allowances(
  { db }: Pick<Reader, "db">,
  repo?: string,
): Promise<readonly AllowanceRow[]> {
  const query = db.selectFrom("allowances").selectAll().orderBy("createdAt", "desc");
  return await (repo === undefined ? query : query.where("repo", "=", repo)).execute();
}

/** Lifts a rule for one repo and subject; saying it twice changes nothing. Gives the allowance's id. */
export async function allow(
  tx: Tx,
  wish: Pick<AllowanceRow, "repo" | "rule" | "subject" | "by">,
): Promise<string> {
  await tx.db
    .insertInto("allowances")
    .values({ ...wish, id: tx.newId("allow"), createdAt: tx.now() })
    .onConflict((conflict) => conflict.columns(["repo", "rule", "subject"]).doNothing())
    .execute();
  const { id } = await tx.db
    .selectFrom("allowances")
    .select("id")
    .where("repo", "=", wish.repo)
    .where("rule", "=", wish.rule)
    .where("subject", "=", wish.subject)
    .executeTakeFirstOrThrow();
  return id;
}

/** False: there is no such allowance. */
export async function disallow(tx: Tx, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx.db
    .deleteFrom("allowances")
    .where("id", "=", id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
