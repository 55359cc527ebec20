import type { InfraFaultCode } from "../../domain/faults.ts";
import { isLeaseOver } from "../../domain/life/lease.ts";
import {
  giveUpWaitingPublish,
  losePublish as decideLoss,
  type PublishLoss,
} from "../../domain/life/publish-ends.ts";
import type { Changed } from "./changed.ts";
import { decideOnPublish } from "./publish-ends.ts";
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

export async function expirePublishLeases(tx: Tx, now = tx.now()): Promise<readonly Changed[]> {
  const expired = await tx.db
    .selectFrom("publishes")
    .selectAll()
    .where("state", "=", "running")
    .where("leaseExpiresAt", "<=", now)
    .execute();
  const changes: Changed[] = [];
  for (const publish of expired) {
    if (!isLeaseOver(publish, now)) continue;
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

async function losePublish(tx: Tx, publish: PublishRow, loss: PublishLoss): Promise<Changed> {
  return await decideOnPublish(tx, publish, (life, record, now) =>
    decideLoss(life, record, loss, now),
  );
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
    const giveUp = decideOnPublish(tx, publish, (life, record, now) =>
      giveUpWaitingPublish(life, record, { now, waitMs }),
    );
    changes.push(await giveUp);
  }
  return changes;
}
