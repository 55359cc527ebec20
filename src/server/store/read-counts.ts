import { sql } from "kysely";
import type { State } from "../../domain/states.ts";
import { countMissed } from "./missed-deliveries.ts";
import { refusedStatuses, stuckPublishes, stuckStatuses } from "./read-stuck.ts";
import type { Reader } from "./store.ts";

export async function countBuilds({ db }: Reader) {
  const builds = await db
    .selectFrom("builds")
    .select(["state", ({ fn }) => fn.countAll<number>().as("count")])
    .groupBy("state")
    .execute();
  return Object.fromEntries(builds.map(({ state, count }) => [state, count]));
}

export async function countRows(reader: Reader) {
  const { db } = reader;
  const jobs = await db
    .selectFrom("jobs")
    .select([
      "state",
      ({ fn }) => fn.countAll<number>().as("count"),
      ({ fn }) => fn.min<number | null>("queuedAt").as("oldestAt"),
    ])
    .where("state", "in", ["queued", "running"])
    .groupBy("state")
    .execute();
  const { waiting: publishesWaiting } = await db
    .selectFrom("publishes")
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .where("state", "in", ["queued", "running"])
    .executeTakeFirstOrThrow();
  const { waiting: statusesWaiting } = await db
    .selectFrom("outbox")
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .where(sql<boolean>`version > "sentVersion"`)
    .where("terminalReason", "is", null)
    .executeTakeFirstOrThrow();
  const parked = await db
    .selectFrom("credentials")
    .select(["forge", "parkedReason"])
    .where("parkedReason", "is not", null)
    .execute();
  const jobCount = (state: State) => jobs.find((row) => row.state === state)?.count ?? 0;
  return {
    jobsQueued: jobCount("queued"),
    jobsRunning: jobCount("running"),
    oldestQueuedAt: jobs.find((row) => row.state === "queued")?.oldestAt ?? null,
    publishesWaiting,
    statusesWaiting,
    missed: await countMissed(reader),
    refusedStatuses: await refusedStatuses(reader),
    stuckPublishes: await stuckPublishes(reader),
    stuckStatuses: await stuckStatuses(reader),
    parkedForges: parked.map(({ forge, parkedReason }) => ({
      forge,
      reason: parkedReason ?? "",
    })),
  };
}
