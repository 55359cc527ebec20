import { setInterval } from "node:timers/promises";
import { HEARTBEAT_MS } from "../../src/domain/attempt.ts";
import { Stopped } from "../../src/domain/stop.ts";
import { heartbeatAnswer } from "../../src/shared/worker-messages.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import { ServerUnavailable } from "../../src/shared/server-client.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";

/**
 * Renews the lease until `signal` is aborted, and calls `stop` when the work must end early: it was
 * cancelled, or the lease is lost, be it said by the server or run out while it did not answer.
 */
export async function keepLease(
  {
    grant,
    server,
    stop,
  }: {
    readonly grant: PublishGrant;
    readonly server: ServerClient;
    readonly stop: (why: Stopped) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  let untilMs = performance.now() + grant.lease.leaseMs;
  const path = PATHS.publishHeartbeat(grant.publishId);
  const call = {
    path,
    leaseToken: grant.lease.token,
    answer: heartbeatAnswer,
    ownConnection: true,
  };
  try {
    for await (const _ of setInterval(HEARTBEAT_MS, undefined, { signal })) {
      const askedMs = performance.now();
      const answer = await server
        .ask({ ...call, timeoutMs: HEARTBEAT_MS }, signal)
        .catch((err: unknown) => unanswered(err));
      if (answer !== undefined) untilMs = askedMs + answer.leaseMs;
      if (answer?.cancel === true) throw new Stopped("cancelled");
      if (performance.now() > untilMs) throw new Stopped("lease-lost");
    }
  } catch (err) {
    // The work has ended, or there is no lease to keep any more.
    if (!signal.aborted) stop(err instanceof Stopped ? err : new Stopped("lease-lost"));
  }
}

/** A server that restarts is no loss yet. */
function unanswered(err: unknown): undefined {
  if (!(err instanceof ServerUnavailable)) throw err;
}
