import type { PromotionCounts, ReadStore } from "../views.ts";
import { lineageOf, listed, type Lineage } from "./listings.ts";
import type { Reader } from "./store.ts";

/** Pairs of generations; a page shows two. */
const COUNTS_KEPT_MAX = 32;

/** A generation never changes, so two of them are compared once. */
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

async function countPromotion(store: Reader, from: string, to: string): Promise<PromotionCounts> {
  const [source, sink] = [await lineageOf(store, from), await lineageOf(store, to)];
  if (source === undefined || sink === undefined) return { added: 0, updated: 0 };
  const rows = await store.db
    .selectFrom(newest(store, source).as("source"))
    .leftJoin(newest(store, sink).as("sink"), (join) =>
      join
        .onRef("sink.target", "=", "source.target")
        .onRef("sink.name", "=", "source.name")
        .onRef("sink.arch", "=", "source.arch"),
    )
    .where(({ eb, or }) =>
      or([eb("sink.evrKey", "is", null), eb("sink.evrKey", "<", eb.ref("source.evrKey"))]),
    )
    .select(["source.name", ({ fn }) => fn.max<string | null>("sink.evrKey").as("before")])
    .groupBy("source.name")
    .execute();
  const updated = rows.filter(({ before }) => before !== null).length;
  return { added: rows.length - updated, updated };
}

/** Of each target that hosts install from, the newest by name and architecture. */
function newest({ db }: Reader, lineage: Lineage) {
  return db
    .selectFrom(listed(db, lineage, undefined).as("listed"))
    .where("target", "not like", "%-source")
    .where("target", "not like", "%-debug")
    .select(["target", "name", "arch", ({ fn }) => fn.max("evrKey").as("evrKey")])
    .groupBy(["target", "name", "arch"]);
}
