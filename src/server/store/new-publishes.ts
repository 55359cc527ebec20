import type { PublishKind } from "../../shared/publish-grants.ts";
import type { Tx } from "./store.ts";

/** Inserts queued work for the publish worker and gives its id. */
export async function insertPublish(
  tx: Tx,
  wish: {
    readonly kind: PublishKind;
    /** Only a build's may be `stage`. */
    readonly purpose?: "stage" | "final";
    readonly buildId: string | null;
    readonly channels: readonly string[];
    readonly requestJson: string | null;
    readonly by: string;
    readonly note: string;
  },
): Promise<string> {
  const { channels, purpose = "final", ...facts } = wish;
  const id = tx.newId("p");
  await tx.db
    .insertInto("publishes")
    .values({
      ...facts,
      id,
      purpose,
      state: "queued",
      channelsJson: JSON.stringify(channels),
      attempt: 0,
      countedAttempts: 0,
      notBeforeAt: 0,
      worker: null,
      leaseTokenHash: null,
      leaseExpiresAt: null,
      queuedAt: tx.now(),
      startedAt: null,
      endedAt: null,
      durationMs: null,
      keyFingerprint: null,
      generationsJson: null,
      warningsJson: null,
      progressJson: null,
      reportJson: null,
      reason: null,
    })
    .execute();
  return id;
}
