import { ATTEMPT_PAUSE_MAX_MS } from "../../domain/attempt.ts";
import { BACKOFF_MAX_MS } from "../../domain/backoff.ts";
import { DOUBT_MS, PARKED_RETRY_MS, STATUS_LEASE_MS } from "../../domain/life/status.ts";
import type { Tx } from "./store.ts";

/**
 * For a moment at which the clock may have been set back: what waits for an instant that is further
 * away than its pause can be waits for the whole pause from now, and no longer. What a forge asked
 * for is kept, since it may ask for any time.
 */
export async function shortenPauses(tx: Tx): Promise<void> {
  const now = tx.now();
  const retryAt = now + ATTEMPT_PAUSE_MAX_MS;
  for (const table of ["jobs", "publishes"] as const) {
    await tx.db
      .updateTable(table)
      .set({ notBeforeAt: retryAt })
      .where("state", "=", "queued")
      .where("notBeforeAt", ">", retryAt)
      .execute();
  }
  for (const [column, mostMs] of STATUS_TIMES) {
    await tx.db
      .updateTable("outbox")
      .set({ [column]: now + mostMs })
      .where(column, ">", now + mostMs)
      .execute();
  }
  await tx.db
    .updateTable("credentials")
    .set({ pausedUntilAt: now + PARKED_RETRY_MS })
    .where("parkedReason", "is not", null)
    .where("pausedUntilAt", ">", now + PARKED_RETRY_MS)
    .execute();
}

const STATUS_TIMES = [
  ["nextTryAt", BACKOFF_MAX_MS],
  ["checkAt", BACKOFF_MAX_MS],
  ["doubtUntilAt", DOUBT_MS],
  ["leaseUntilAt", STATUS_LEASE_MS],
] as const;
