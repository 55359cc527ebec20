import * as life from "../../domain/life/publish-ends.ts";
import type { BuildLife, PublishRecord, Verdict } from "../../domain/life/records.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { Changed } from "./changed.ts";
import { lifeOfPublish } from "./life-records.ts";
import type { PublishRow } from "./schema.ts";
import type { Tx } from "./store.ts";
import { writeDown } from "./write-down.ts";

export interface PublishEnd extends Omit<life.PublishEnd, "failureTitle"> {
  readonly failure?: FailureCard | null;
  readonly set?: Partial<PublishRow>;
}

/** Asks what becomes of a publish and of the build that waits for it, and writes it down. */
export async function decideOnPublish(
  tx: Tx,
  publish: PublishRow,
  decide: (build: BuildLife | undefined, publish: PublishRecord, now: number) => Verdict,
  known: { readonly card?: FailureCard | null; readonly publishSet?: Partial<PublishRow> } = {},
): Promise<Changed> {
  const owner = await lifeOfPublish(tx, publish);
  const { writes } = decide(owner?.life, publish, tx.now());
  const written = await writeDown(tx, writes, { build: owner?.row, ...known });
  const changed = { ...written, publish: { id: publish.id, channels: channelsOf(publish) } };
  const to = writes.find((write) => write.on === "publish")?.move.to;
  if (publish.kind !== "restore" || to === undefined || to === "queued") return changed;
  if (to !== "live") await orphan(tx, publish);
  return { ...changed, publishId: await firstQueued(tx) };
}

/** Ends a publish, and the build that waits for it. A cancel that was asked for before goes first. */
export async function endPublish(
  tx: Tx,
  publish: PublishRow,
  { set = {}, failure = null, ...end }: PublishEnd,
): Promise<Changed> {
  const told = { ...end, failureTitle: failure?.title ?? null };
  const decide = (build: BuildLife | undefined, record: PublishRecord, now: number): Verdict =>
    life.finishPublish(build, record, told, now);
  return await decideOnPublish(tx, publish, decide, { card: failure, publishSet: set });
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
  return await decideOnPublish(tx, publish, life.cancelPublish);
}

/** Has somebody asked to cancel the build that it publishes? */
export async function isCancelRequested(tx: Tx, { buildId }: PublishRow): Promise<boolean> {
  if (buildId === null) return false;
  const row = await tx.db
    .selectFrom("builds")
    .select("cancelRequestedAt")
    .where("id", "=", buildId)
    .executeTakeFirst();
  return row?.cancelRequestedAt != null;
}

/** Names of the channels that it touches. */
export function channelsOf({ channelsJson }: Pick<PublishRow, "channelsJson">): readonly string[] {
  return JSON.parse(channelsJson) as string[];
}
