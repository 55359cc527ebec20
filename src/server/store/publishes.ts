import { timingSafeEqual } from "node:crypto";
import { LEASE_MS } from "../../domain/attempt.ts";
import { grantPublish, standingOf } from "../../domain/life/lease.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { PublishDoneMessage } from "../../shared/publish-messages.ts";
import type { PublishGrant } from "../../shared/publish-grants.ts";
import type { Changed } from "./changed.ts";
import { hashToken } from "./leases.ts";
import { channelsOf, endPublish, isCancelRequested } from "./publish-ends.ts";
import { grantOf } from "./publish-grants.ts";
import { isInPushOrder } from "./publish-order.ts";
import type { PublishRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";
import { recordSweep } from "./sweep.ts";
import { writeDown } from "./write-down.ts";

/** What a claim found: at most one grant, and publishes that could not even be granted. */
export interface ClaimedPublish {
  readonly grant: PublishGrant | undefined;
  readonly changes: readonly Changed[];
}

/** Grants the oldest publish request that may run now. */
export async function claimPublish(tx: Tx, worker: string, token: string): Promise<ClaimedPublish> {
  const changes: Changed[] = [];
  for (;;) {
    const next = await nextPublish(tx);
    if (next === undefined) return { grant: undefined, changes };
    const publish = await takePublish(tx, next, worker, token);
    const changed = { publish: { id: publish.id, channels: channelsOf(publish) } };
    changes.push({ ...changed, buildId: publish.buildId ?? undefined });
    const grant = await grantOf(tx, publish, token);
    if (!("impossible" in grant)) return { grant, changes };
    const reason = grant.impossible;
    changes.push(await endPublish(tx, publish, { state: "failed", reason, text: reason }));
  }
}

/** How many that must wait for a restore are looked over; the reconciler asks again. */
const LOOKED_OVER_MAX = 256;

/** What touches a channel that is being restored waits: the restore would take its packages away. */
async function nextPublish(tx: Tx): Promise<PublishRow | undefined> {
  const restores = await openRestores(tx);
  const queued = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "queued")
    .where("notBeforeAt", "<=", tx.now())
    .where(isInPushOrder)
    .orderBy("queuedAt")
    .limit(restores.length === 0 ? 1 : LOOKED_OVER_MAX)
    .execute();
  return queued.find((publish) => {
    const channels = channelsOf(publish);
    // Asked for in the same transaction, a copy comes before what is published to it.
    const before = restores.filter(
      ({ id, queuedAt, state }) =>
        id !== publish.id &&
        (state === "running" || queuedAt < publish.queuedAt || publish.kind !== "restore"),
    );
    return !before.some((restore) => channelsOf(restore).some((name) => channels.includes(name)));
  });
}

async function openRestores(tx: Tx) {
  return await tx.db
    .selectFrom("publishes")
    .select(["id", "state", "queuedAt", "channelsJson"])
    .where("state", "in", ["queued", "running"])
    .where("kind", "=", "restore")
    .execute();
}

async function takePublish(
  tx: Tx,
  next: PublishRow,
  worker: string,
  token: string,
): Promise<PublishRow> {
  const claim = { worker, tokenHash: hashToken(token), now: tx.now() };
  const { writes } = grantPublish(next, claim);
  const grant = writes.find((write) => write.on === "publish");
  if (grant === undefined) throw new Error(`Publish ${next.id} was picked and may not be claimed.`);
  await writeDown(tx, writes);
  return { ...next, ...grant.set, state: grant.move.to };
}

/** The request, if `token` is that of its newest attempt and it still runs. */
export async function leasedPublish(
  tx: Pick<Reader, "db">,
  id: string,
  token: string,
): Promise<PublishRow | undefined> {
  const publish = await publishWithToken(tx, id, token);
  return publish !== undefined && standingOf(publish, true) === "holder" ? publish : undefined;
}

/** The request, if `token` is that of its newest attempt, whatever its state. */
export async function publishWithToken(
  tx: Pick<Reader, "db">,
  id: string,
  token: string,
): Promise<PublishRow | undefined> {
  const publish = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (publish?.leaseTokenHash == null) return undefined;
  const given = Buffer.from(hashToken(token), "hex");
  return timingSafeEqual(given, Buffer.from(publish.leaseTokenHash, "hex")) ? publish : undefined;
}

export async function renewPublishLease(
  tx: Tx,
  id: string,
  token: string,
): Promise<{ readonly cancel: boolean } | undefined> {
  const publish = await leasedPublish(tx, id, token);
  if (publish === undefined) return undefined;
  await tx.db
    .updateTable("publishes")
    .set({ leaseExpiresAt: tx.now() + LEASE_MS })
    .where("id", "=", id)
    .execute();
  return { cancel: await isCancelRequested(tx, publish) };
}

/** How far it has come, for those who watch. */
export async function recordProgress(
  tx: Tx,
  id: string,
  token: string,
  progress: { readonly done: number; readonly total: number; readonly note: string },
): Promise<Changed | undefined> {
  const publish = await leasedPublish(tx, id, token);
  if (publish === undefined) return undefined;
  await tx.db
    .updateTable("publishes")
    .set({ progressJson: JSON.stringify(progress) })
    .where("id", "=", id)
    .execute();
  return { publish: { id, channels: channelsOf(publish) } };
}

/** It has done its work without a new generation: a sweep, or what changed nothing. */
export async function donePublish(
  tx: Tx,
  id: string,
  token: string,
  done: PublishDoneMessage,
): Promise<Changed | undefined> {
  const publish = await publishWithToken(tx, id, token);
  if (publish === undefined) return undefined;
  // The answer to the first sending was lost.
  if (publish.state === "live") return { buildId: publish.buildId ?? undefined };
  if (publish.state !== "running") return undefined;
  if (publish.kind === "sweep") await recordSweep(tx, publish);
  const set = {
    durationMs: Math.round(done.durationMs),
    reportJson: JSON.stringify(done.report),
    generationsJson: "[]",
  };
  const text = `passed; ${channelsOf(publish).join(", ")} had it already`;
  return await endPublish(tx, publish, { state: "live", reason: null, text, set });
}

/** It was refused; the channel is untouched. */
export async function failPublish(
  tx: Tx,
  id: string,
  token: string,
  failure: FailureCard,
): Promise<Changed | undefined> {
  const publish = await publishWithToken(tx, id, token);
  if (publish === undefined) return undefined;
  if (publish.state === "failed") return { buildId: publish.buildId ?? undefined };
  if (publish.state !== "running") return undefined;
  const { title } = failure;
  const lines = [failure.problems, failure.hint].filter((text) => text !== null);
  const set = { reportJson: JSON.stringify(lines) };
  return await endPublish(tx, publish, {
    state: "failed",
    reason: title,
    text: title,
    failure,
    set,
  });
}

export async function claimablePublishes(
  tx: Reader,
  limit: number,
): Promise<readonly { readonly id: string; readonly attempt: number }[]> {
  return await tx.db
    .selectFrom("publishes")
    .select(["id", "attempt"])
    .where("state", "=", "queued")
    .where("notBeforeAt", "<=", tx.now())
    .orderBy("queuedAt")
    .limit(limit)
    .execute();
}
