import { sql, type ExpressionBuilder, type SqlBool } from "kysely";
import type { Intake } from "../intake-types.ts";
import { hotQuery } from "./hot-query.ts";
import type { DeliveryRow, Tables } from "./schema.ts";
import type { Tx } from "./store.ts";

/** As long as GitHub lets a delivery be sent again. */
const LATE_MAX_MS = 3 * 24 * 3_600_000;

export type Named = Pick<Intake, "forge" | "deliveryId" | "bodyDigest">;

/** The forge's signature does not cover the delivery id, so the body's digest names it as well. */
function isNamed({ deliveryId, bodyDigest }: Named) {
  // A null digest equals nothing, so the own remote's deliveries are told apart by id alone.
  return ({ or, eb }: ExpressionBuilder<Tables, "deliveries">) =>
    or([eb("deliveryId", "=", deliveryId), eb("bodyDigest", "=", bodyDigest)]);
}

const deliveriesNamed = hotQuery((db, named: Named) =>
  db
    .selectFrom("deliveries")
    .selectAll()
    .where("forge", "=", named.forge)
    .where(isNamed(named))
    // By the alphabet: one that was ignored counts only where there is no other.
    .orderBy("disposition")
    .limit(1),
);

export async function findDelivery(tx: Tx, named: Named): Promise<DeliveryRow | undefined> {
  const [delivery] = await deliveriesNamed(tx, named);
  return delivery;
}

export async function forgetIgnored(tx: Tx, named: Named): Promise<void> {
  await tx.db
    .deleteFrom("deliveries")
    .where("forge", "=", named.forge)
    .where(isNamed(named))
    .where("disposition", "=", "ignored")
    .execute();
}

const ownersOf = hotQuery((db, push: { readonly pushKey: string }) =>
  db
    .selectFrom("deliveries")
    .innerJoin("builds", "builds.id", "deliveries.buildId")
    .select(["deliveries.id as deliveryRowId", "builds.id as buildId", "builds.state as state"])
    .select("deliveries.foundBy as foundBy")
    .where("pushKey", "=", push.pushKey),
);

/** The delivery that the same push came under, and its build. */
export async function findOwner(tx: Tx, pushKey: string) {
  const [owner] = await ownersOf(tx, { pushKey });
  return owner === undefined ? undefined : { ...owner, isFound: owner.foundBy !== null };
}

type Place = Record<"repo" | "ref" | "after", string>;

const foundAt = hotQuery((db, given: Place & { readonly sinceAt: number }) =>
  db
    .selectFrom("deliveries")
    .innerJoin("builds", "builds.id", "deliveries.buildId")
    .select(["deliveries.id as deliveryRowId", "builds.id as buildId", "builds.state as state"])
    .where("deliveries.repo", "=", given.repo)
    .where("deliveries.ref", "=", given.ref)
    .where("deliveries.after", "=", given.after)
    .where("deliveries.foundBy", "is not", null)
    .where("deliveries.matchedBy", "is", null)
    // An expression, so that the index of what was found is used, not that of all that was delivered.
    .where(sql<SqlBool>`"deliveries"."receivedAt" + 0 > ${given.sinceAt}`)
    .limit(1),
);

/**
 * What was found by a look at the forge's refs has `before` as we knew it, not as it was, so the push
 * itself, when it is delivered late after all, is known by where it led to.
 */
export async function findFound(
  tx: Tx,
  { repo, ref, after, foundBy }: Place & Partial<Pick<DeliveryRow, "foundBy">>,
) {
  if (foundBy) return undefined;
  const [found] = await foundAt(tx, { repo, ref, after, sinceAt: tx.now() - LATE_MAX_MS });
  return found;
}
