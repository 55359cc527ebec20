import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../../src/shared/logger.ts";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { ServerClient } from "../../../src/shared/server-client.ts";
import type { Lease } from "../lease.ts";
import type { CrashHistory } from "./crash-history.ts";

/** What is not sent by then is on the disk, and is sent by the next life. */
const FLUSH_MS = 2_000;
const LOOK_EVERY_MS = 20;
const SAY_MS = 3_000;

/**
 * Before a planned restart: what is known is sent, and the server waits longer for this worker than for
 * one that is silent. Its containers run on.
 */
export async function sayGoodbye({
  client,
  workerId,
  leases,
  unsentBytes,
  history,
  logger,
}: {
  readonly client: ServerClient;
  readonly workerId: string;
  readonly leases: readonly Pick<Lease, "close">[];
  readonly unsentBytes: () => number;
  readonly history: CrashHistory;
  readonly logger: Logger;
}): Promise<void> {
  const deadline = performance.now() + FLUSH_MS;
  while (unsentBytes() > 0 && performance.now() < deadline) await delay(LOOK_EVERY_MS);
  // A heartbeat after the goodbye would make the lease short again.
  for (const lease of leases) lease.close();
  await history.goodbye();
  const call = { path: PATHS.buildGoodbye(), json: { worker: workerId } };
  await client.send(call, AbortSignal.timeout(SAY_MS)).catch((err: unknown) => {
    logger.warn({ err }, "No goodbye said: the server does not answer");
  });
  logger.info({ jobs: leases.length }, "Stopped for a restart: containers run on");
}
