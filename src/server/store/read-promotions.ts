import { sql } from "kysely";
import type { PromotionCounts, ReadStore } from "../views.ts";
import type { Reader } from "./store.ts";

/** Pairs of generations; a page shows two. */
const COUNTS_KEPT_MAX = 32;

/**
 * A generation never changes, so two of them are compared once. For channels of their own: copies of
 * others list what these queries do not see.
 */
export function promotionCounter(store: Reader): ReadStore["promotionCounts"] {
  const kept = new Map<string, Promise<PromotionCounts>>();
  return async (from, to) => {
    const key = [from.name, from.head, to.name, to.head].join(" ");
    const counts = kept.get(key) ?? countPromotion(store, from.name, to.name);
    kept.delete(key);
    kept.set(key, counts);
    counts.catch(() => kept.delete(key));
    const [oldest] = kept.keys();
    if (kept.size > COUNTS_KEPT_MAX && oldest !== undefined) kept.delete(oldest);
    return await counts;
  };
}

/**
 * Names, not packages: one that is new for any target of the other channel counts as an update if
 * hosts of the other channel have the name at all. Looks up each package in an index: some 50 ms for
 * 50,000.
 */
async function countPromotion({ db }: Reader, from: string, to: string): Promise<PromotionCounts> {
  const there = db
    .selectFrom("listings as there")
    .select("there.nevra")
    .where("there.channel", "=", to)
    .where("there.untilGeneration", "is", null)
    .whereRef("there.name", "=", sql.ref("here.name"));
  const asNewThere = there
    .whereRef("there.target", "=", sql.ref("here.target"))
    .whereRef("there.arch", "=", sql.ref("here.arch"))
    .whereRef("there.evrKey", ">=", sql.ref("here.evrKey"));
  const isKnown = there
    .where("there.target", "not like", "%-source")
    .where("there.target", "not like", "%-debug");
  const { names, known } = await db
    .selectFrom("listings as here")
    .where("here.channel", "=", from)
    .where("here.untilGeneration", "is", null)
    .where("here.target", "not like", "%-source")
    .where("here.target", "not like", "%-debug")
    .where(({ not, exists }) => not(exists(asNewThere)))
    .select(({ fn, eb, exists }) => [
      fn.count<number>("here.name").distinct().as("names"),
      fn
        .count<number>(eb.case().when(exists(isKnown)).then(eb.ref("here.name")).end())
        .distinct()
        .as("known"),
    ])
    .executeTakeFirstOrThrow();
  return { added: names - known, updated: known };
}
