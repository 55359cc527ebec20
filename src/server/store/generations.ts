import { sql, type ExpressionBuilder } from "kysely";
import type { GenerationRow, Tables } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** A channel's generations, newest first. Above the head there are none. */
export async function generationsOf(
  { db }: Pick<Reader, "db">,
  channel: string,
  options: { readonly limit?: number; readonly below?: number } = {},
): Promise<readonly GenerationRow[]> {
  const { limit, below } = options;
  let query = db.selectFrom("generations").selectAll().where("channel", "=", channel);
  if (below !== undefined) query = query.where("number", "<", below);
  if (limit !== undefined) query = query.limit(limit);
  return await query.orderBy("number", "desc").execute();
}

export interface ListingChange {
  readonly target: string;
  readonly nevra: string;
}

/** What `to` lists and `from` does not, and the other way round; each at most `limit`, in order. */
export async function diffGenerations(
  { db }: Pick<Reader, "db">,
  channel: string,
  range: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<{
  readonly added: readonly ListingChange[];
  readonly removed: readonly ListingChange[];
}> {
  const { from, to, limit } = range;
  if (from > to) {
    const { added, removed } = await diffGenerations({ db }, channel, {
      from: to,
      to: from,
      limit,
    });
    return { added: removed, removed: added };
  }
  // What a child inherits and never touched is in both.
  const spans = db
    .selectFrom("listings")
    .select(["target", "nevra"])
    .where("channel", "=", channel)
    .orderBy("nevra")
    .orderBy("target")
    .limit(limit);
  const added = spans
    .where("sinceGeneration", ">", from)
    .where("sinceGeneration", "<=", to)
    .where(isOpenAt(to))
    .where(({ not, exists }) => not(exists(sameAt(db, from))));
  const removed = spans
    .where("untilGeneration", ">", from)
    .where("untilGeneration", "<=", to)
    .where("sinceGeneration", "<=", from)
    .where(({ not, exists }) => not(exists(sameAt(db, to))));
  return { added: await added.execute(), removed: await removed.execute() };
}

type Where = ExpressionBuilder<Tables, "listings">;

/** The span goes on at a generation at or after its start. */
function isOpenAt(number: number) {
  return ({ eb, or }: Where) =>
    or([eb("untilGeneration", "is", null), eb("untilGeneration", ">", number)]);
}

/** Another span of the same package and target, at another generation. */
function sameAt(db: Reader["db"], number: number) {
  return db
    .selectFrom("listings as other")
    .select("other.nevra")
    .whereRef("other.channel", "=", sql.ref("listings.channel"))
    .whereRef("other.target", "=", sql.ref("listings.target"))
    .whereRef("other.nevra", "=", sql.ref("listings.nevra"))
    .where("other.sinceGeneration", "<=", number)
    .where(({ eb, or }) =>
      or([eb("other.untilGeneration", "is", null), eb("other.untilGeneration", ">", number)]),
    );
}

/** False: there is no such generation any more. */
export async function pinGeneration(
  tx: Tx,
  place: { readonly channel: string; readonly number: number },
  pin: { readonly isPinned: boolean; readonly note: string | null },
): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("generations")
    .set({ isPinned: pin.isPinned ? 1 : 0, pinNote: pin.isPinned ? pin.note : null })
    .where("channel", "=", place.channel)
    .where("number", "=", place.number)
    .where("sweptAt", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
