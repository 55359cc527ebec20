import { sql, type SqlBool } from "kysely";
import type { Reader, Tx } from "./store.ts";

/** Forges let a delivery be sent again for days, not for weeks. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** Which of these deliveries have arrived, by their ids. */
export async function arrivedOf(
  { db }: Pick<Reader, "db">,
  deliveryIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (deliveryIds.length === 0) return new Set();
  const rows = await db
    .selectFrom("deliveries")
    .select("deliveryId")
    .where("forge", "=", "github")
    .where("deliveryId", "in", deliveryIds)
    .execute();
  return new Set(rows.map(({ deliveryId }) => deliveryId));
}

export async function noteMissed(
  tx: Tx,
  repo: string,
  { deliveryId, event }: { readonly deliveryId: string; readonly event: string },
): Promise<void> {
  await tx.db
    .insertInto("missedDeliveries")
    .values({ deliveryId, repo, event, foundAt: tx.now(), recoveredAt: null })
    .onConflict((conflict) => conflict.column("deliveryId").doNothing())
    .execute();
}

/** Those that have come since they were asked for again; what is long over is forgotten. */
export async function settleMissed(tx: Tx): Promise<void> {
  await tx.db
    .updateTable("missedDeliveries")
    .set({ recoveredAt: tx.now() })
    .where("recoveredAt", "is", null)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("deliveries")
          .select("deliveries.id")
          .where("deliveries.forge", "=", "github")
          .whereRef("deliveries.deliveryId", "=", "missedDeliveries.deliveryId"),
      ),
    )
    .execute();
  await tx.db
    .deleteFrom("missedDeliveries")
    .where("foundAt", "<", tx.now() - KEPT_MS)
    .execute();
}

export interface MissedCounts {
  /** Pushes and other deliveries that did not reach us by themselves, of the last 30 days. */
  readonly missed: number;
  /** Of these, how many are recorded by now. */
  readonly recovered: number;
}

export async function countMissed({ db, now }: Reader): Promise<MissedCounts> {
  const since = now() - KEPT_MS;
  const found = await db
    .selectFrom("deliveries")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where(sql<SqlBool>`"foundBy" is not null`)
    .where("foundBy", "=", "sweep")
    .where("receivedAt", ">", since)
    // One that was asked for again as well is counted once.
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("missedDeliveries")
            .select("missedDeliveries.deliveryId")
            .whereRef("missedDeliveries.deliveryId", "=", "deliveries.matchedBy"),
        ),
      ),
    )
    .executeTakeFirstOrThrow();
  const asked = await db
    .selectFrom("missedDeliveries")
    .select(({ fn }) => [
      fn.countAll<number>().as("count"),
      fn.count<number>("recoveredAt").as("recovered"),
    ])
    .where("foundAt", ">", since)
    .executeTakeFirstOrThrow();
  return { missed: found.count + asked.count, recovered: found.count + asked.recovered };
}
