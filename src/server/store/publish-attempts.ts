import {
  nextAttempt,
  type AttemptLoss,
  ATTEMPTS_MAX,
  PUBLISH_LOSSES_MAX,
} from "../../domain/attempt.ts";
import type { InfraFaultCode } from "../../domain/faults.ts";
import type { Changed } from "./builds.ts";
import { ourCard } from "./job-rows.ts";
import { cancelPublish, channelsOf, endPublish, isCancelRequested } from "./publish-ends.ts";
import { leasedPublish } from "./publishes.ts";
import type { PublishRow } from "./schema.ts";
import type { Tx } from "./store.ts";

/** A publish worker could not find out. It says so under its lease. */
export async function faultPublish(
  tx: Tx,
  id: string,
  token: string,
  fault: { readonly code: InfraFaultCode; readonly message: string },
): Promise<Changed | undefined> {
  const publish = await leasedPublish(tx, id, token);
  return publish && (await losePublish(tx, publish, { kind: "infra-fault", ...fault }));
}

export async function handBackPublish(
  tx: Tx,
  id: string,
  token: string,
): Promise<Changed | undefined> {
  const publish = await leasedPublish(tx, id, token);
  const why = { code: "PUBLISH_FAILED", message: "its worker was stopped" } as const;
  return publish && (await losePublish(tx, publish, { kind: "handed-back", ...why }));
}

export async function expirePublishLeases(tx: Tx): Promise<readonly Changed[]> {
  const expired = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "running")
    .where("leaseExpiresAt", "<=", tx.now())
    .execute();
  const changes: Changed[] = [];
  for (const publish of expired) {
    const message = `publish worker ${publish.worker ?? ""} was lost`;
    const loss = { kind: "worker-lost", code: "PUBLISH_FAILED", message } as const;
    changes.push(await losePublish(tx, publish, loss));
  }
  return changes;
}

/** A publish worker has started anew, so what its earlier life held is lost. */
export async function losePublishesOf(tx: Tx, worker: string): Promise<readonly Changed[]> {
  const held = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "running")
    .where("worker", "=", worker)
    .execute();
  const changes: Changed[] = [];
  for (const publish of held) {
    const message = `publish worker ${worker} was restarted`;
    const loss = { kind: "worker-lost", code: "PUBLISH_FAILED", message } as const;
    changes.push(await losePublish(tx, publish, loss));
  }
  return changes;
}

async function losePublish(
  tx: Tx,
  publish: PublishRow,
  loss: { readonly kind: AttemptLoss; readonly code: InfraFaultCode; readonly message: string },
): Promise<Changed> {
  if (await isCancelRequested(tx, publish)) return await cancelPublish(tx, publish);
  const isLost = loss.kind === "worker-lost";
  const attemptsMax = isLost ? PUBLISH_LOSSES_MAX : ATTEMPTS_MAX;
  const next = nextAttempt(loss.kind, publish.countedAttempts, attemptsMax);
  if (next.kind === "give-up") {
    const message = `publish worker lost ${publish.countedAttempts} times`;
    return await giveUpPublish(tx, publish, isLost ? { ...loss, message } : loss);
  }
  await tx.db
    .updateTable("publishes")
    .set({
      state: "queued",
      notBeforeAt: tx.now() + next.pauseMs,
      countedAttempts: next.counted ? publish.countedAttempts : publish.countedAttempts - 1,
      leaseTokenHash: null,
      leaseExpiresAt: null,
      progressJson: null,
    })
    .where("id", "=", publish.id)
    .execute();
  return {
    buildId: publish.buildId ?? undefined,
    publish: { id: publish.id, channels: channelsOf(publish) },
    ...(next.pauseMs === 0 ? { publishId: publish.id } : {}),
  };
}

/** Requests that waited too long for any publish worker end `errored`, like jobs do. */
export async function expireQueuedPublishes(tx: Tx, waitMs: number): Promise<readonly Changed[]> {
  const stuck = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "queued")
    .where("queuedAt", "<", tx.now() - waitMs)
    .where("notBeforeAt", "<", tx.now() - waitMs)
    .execute();
  const changes: Changed[] = [];
  for (const publish of stuck) {
    const why = { code: "NO_WORKER", message: "no publish worker took it" } as const;
    changes.push(await giveUpPublish(tx, publish, why));
  }
  return changes;
}

async function giveUpPublish(
  tx: Tx,
  publish: PublishRow,
  { code, message: reason }: { readonly code: InfraFaultCode; readonly message: string },
): Promise<Changed> {
  const failure = ourCard(code, reason, "publish");
  return await endPublish(tx, publish, { state: "errored", reason, text: reason, failure });
}
