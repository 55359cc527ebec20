import { sql } from "kysely";
import { loseAttempt } from "./attempts.ts";
import type { Tx } from "./store.ts";
import { PLAN_VERSION } from "./stored-plan.ts";

const WAIT =
  "its plan was made by a newer version of Tatara: upgrade the server to that version again, " +
  "or cancel this build and push once more";

/**
 * Called at the start, since only an older program than before finds such plans. Whoever cannot read
 * where a build's packages go must neither run it nor let it pass, so it waits, whatever ran of it;
 * and goes on under a version that can.
 */
export async function holdNewerPlans(tx: Tx): Promise<void> {
  const version = sql<number>`json_extract("pipelineJson", '$.v')`;
  const planned = await tx.db
    .selectFrom("builds")
    .select(["id", "waitReason", version.as("version")])
    .where("state", "in", ["queued", "running"])
    .where("pipelineJson", "is not", null)
    .execute();
  for (const { id, waitReason, version: found } of planned) {
    if (found > PLAN_VERSION) await hold(tx, id);
    else if (waitReason !== null) await goOn(tx, id);
  }
}

async function hold(tx: Tx, buildId: string): Promise<void> {
  const ofBuild = tx.db.updateTable("builds").where("id", "=", buildId);
  await ofBuild.set({ waitReason: WAIT }).execute();
  const running = await tx.db
    .selectFrom("jobs")
    .selectAll()
    .where("buildId", "=", buildId)
    .where("state", "=", "running")
    .execute();
  const why = { kind: "handed-back", code: "WORKER_LOST", message: WAIT, step: null } as const;
  for (const job of running) await loseAttempt(tx, job, why);
}

async function goOn(tx: Tx, buildId: string): Promise<void> {
  const ofBuild = tx.db.updateTable("builds").where("id", "=", buildId);
  await ofBuild.set({ waitReason: null }).execute();
  // It has waited for an upgrade, not for a worker.
  const waiting = tx.db.updateTable("jobs").where("buildId", "=", buildId);
  await waiting.where("state", "=", "queued").set({ queuedAt: tx.now() }).execute();
}
