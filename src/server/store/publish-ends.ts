import type { FailureCard } from "../../shared/message-parts.ts";
import { endBuild, findBuild, type Changed } from "./builds.ts";
import { skipWaitingJobs } from "./job-needs.ts";
import type { PublishRow } from "./schema.ts";
import type { Tx } from "./store.ts";
import { startVerify } from "./verify-release.ts";

export interface PublishEnd {
  readonly state: "live" | "failed" | "errored" | "cancelled";
  /** Why it is not live. */
  readonly reason: string | null;
  /** For the commit's status. */
  readonly text: string;
  readonly failure?: FailureCard | null;
  readonly set?: Partial<PublishRow>;
}

/** Ends a publish, and the build that waits for it. */
export async function endPublish(tx: Tx, publish: PublishRow, end: PublishEnd): Promise<Changed> {
  const { state, reason, text, failure } = end;
  await tx.db
    .updateTable("publishes")
    .set({ ...end.set, state, reason, endedAt: tx.now(), leaseExpiresAt: null, progressJson: null })
    .where("id", "=", publish.id)
    .execute();
  if (publish.kind === "restore" && state !== "live") await orphan(tx, publish);
  const changed = {
    publish: { id: publish.id, channels: channelsOf(publish) },
    publishId: publish.kind === "restore" ? await firstQueued(tx) : undefined,
  };
  const build = publish.buildId === null ? undefined : await findBuild(tx, publish.buildId);
  if (build === undefined) return changed;
  if (publish.purpose === "stage") {
    if (state === "live") {
      return { ...changed, buildId: build.id, queuedJobs: await startVerify(tx, build.id) };
    }
    await skipWaitingJobs(tx, build.id, "the packages could not be put in the build's own channel");
  }
  const passed = state === "live" ? "passed" : state;
  const statusId = await endBuild(tx, build, {
    state: passed,
    reason,
    text,
    failure: failure ?? null,
  });
  return { ...changed, buildId: build.id, statusId };
}

/** A child that could not be made a copy begins empty. */
async function orphan(tx: Tx, publish: PublishRow): Promise<void> {
  await tx.db
    .updateTable("channels")
    .set({ parent: null, parentGeneration: null })
    .where("name", "in", channelsOf(publish))
    .where("head", "=", 0)
    .execute();
}

/** Something may have waited for a restore to end. */
async function firstQueued(tx: Tx): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom("publishes")
    .select("id")
    .where("state", "=", "queued")
    .orderBy("queuedAt")
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

export async function cancelPublish(tx: Tx, publish: PublishRow): Promise<Changed> {
  const reason = "cancelled on request";
  return await endPublish(tx, publish, { state: "cancelled", reason, text: reason });
}

/** Has somebody asked to cancel the build that it publishes? */
export async function isCancelRequested(tx: Tx, { buildId }: PublishRow): Promise<boolean> {
  if (buildId === null) return false;
  return (await findBuild(tx, buildId))?.cancelRequestedAt != null;
}

/** Names of the channels that it touches. */
export function channelsOf({ channelsJson }: Pick<PublishRow, "channelsJson">): readonly string[] {
  return JSON.parse(channelsJson) as string[];
}
