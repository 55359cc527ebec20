import { missingPublisher, type BuildWorkers } from "../../domain/missing-workers.ts";
import type { BuildView, PublishView } from "../views.ts";
import { inChunks } from "./chunks.ts";
import type { JobRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** A publish worker asks at least every 45 s. */
const ALIVE_MS = 60_000;

export async function drainedBuilders({ db }: Reader): Promise<BuildWorkers["drained"]> {
  const rows = await db
    .selectFrom("workers")
    .select(["id", "arch"])
    .where("kind", "=", "build")
    .where("drainingAt", "is not", null)
    .orderBy("id")
    .execute();
  return rows.map(({ id, arch }) => ({ id, arch: arch ?? "" }));
}

/** Why nobody takes a publish that waits; null: somebody does. */
async function publisherMissing(reader: Reader): Promise<string | null> {
  const { db } = reader;
  const rows = await db
    .selectFrom("workers")
    .select(["id", "seenAt", "drainingAt"])
    .where("kind", "=", "publish")
    .orderBy("id")
    .execute();
  const running = await db
    .selectFrom("publishes")
    .select("worker")
    .where("state", "=", "running")
    .execute();
  const busy = new Set(running.map(({ worker }) => worker));
  const workers = rows.map(({ id, seenAt, drainingAt }) => {
    return { id, seenAt, isDrained: drainingAt !== null, isBusy: busy.has(id) };
  });
  const now = reader.now();
  return missingPublisher(workers, { now, aliveSinceAt: now - ALIVE_MS });
}

/** Builds whose packages wait to be put in their own channel → why nobody does it. */
export async function waitingStages(
  reader: Reader,
  queued: readonly Pick<JobRow, "buildId" | "isBlocked" | "kind">[],
): Promise<ReadonlyMap<string, string>> {
  const verify = queued.filter(({ kind, isBlocked }) => kind === "verify" && isBlocked === 1);
  const builds = [...new Set(verify.map(({ buildId }) => buildId))];
  const stages = await inChunks(builds, (some) =>
    reader.db
      .selectFrom("publishes")
      .select("buildId")
      .where("buildId", "in", some)
      .where("purpose", "=", "stage")
      .where("state", "=", "queued")
      .execute(),
  );
  const why = stages.length === 0 ? null : await publisherMissing(reader);
  if (why === null) return new Map();
  return new Map(stages.flatMap(({ buildId }) => (buildId === null ? [] : [[buildId, why]])));
}

/** A build's view that says why nobody publishes it; as it was where somebody does. */
export async function withPublishWaiting(reader: Reader, view: BuildView): Promise<BuildView> {
  const { staging, publish } = view;
  if (staging?.state !== "queued" && publish?.state !== "queued") return view;
  const why = await publisherMissing(reader);
  if (why === null) return view;
  const told = (one: PublishView | null): PublishView | null =>
    one?.state === "queued" ? { ...one, waiting: why } : one;
  return { ...view, staging: told(staging), publish: told(publish), reason: view.reason ?? why };
}
