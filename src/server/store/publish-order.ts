import { sql, type ExpressionBuilder, type SqlBool } from "kysely";
import type { Tables } from "./schema.ts";

const OF_PUSHES = ["push", "schedule"] as const;

/**
 * Builds of one branch run side by side and publish in the order of their pushes: one that is ready
 * waits for older ones that may still publish. Once the older one's publish runs, both may share a
 * generation. A rerun, and a build by hand, is no newer push and waits for nobody.
 */
export function isInPushOrder({ not, exists, selectFrom }: ExpressionBuilder<Tables, "publishes">) {
  const older = selectFrom("builds as own")
    .innerJoin("builds as older", "older.repo", "own.repo")
    .select("older.id")
    .whereRef("own.id", "=", "publishes.buildId")
    .where("publishes.purpose", "=", "final")
    .where("own.event", "in", OF_PUSHES)
    // Expressions, so that the index is used that leads to the few builds which are not final.
    .where(sql<SqlBool>`"older"."ref" || '' = "own"."ref"`)
    .where(sql<SqlBool>`"older"."number" + 0 < "own"."number"`)
    .where("older.event", "in", OF_PUSHES)
    .where("older.state", "in", ["queued", "running"])
    .where("older.isReady", "=", 1)
    .where("older.mayPublish", "=", 1)
    .where("older.waitReason", "is", null)
    .where("older.cancelRequestedAt", "is", null)
    .where(({ not: isNot, exists: isThere, selectFrom: from }) =>
      isNot(
        isThere(
          from("publishes as others")
            .select("others.id")
            .whereRef("others.buildId", "=", "older.id")
            .where("others.purpose", "=", "final")
            .where("others.state", "=", "running"),
        ),
      ),
    );
  return not(exists(older));
}
