import { setTimeout as delay } from "node:timers/promises";
import { HEARTBEAT_MS } from "../../src/domain/attempt.ts";
import { Stopped } from "../../src/domain/stop.ts";
import type { StopReason } from "../../src/domain/stop.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { heartbeatAnswer } from "../../src/shared/worker-messages.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import { ServerUnavailable } from "../../src/shared/server-client.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";

/** The right to work on one attempt of a job, kept alive on its own timer. */
export interface Lease {
  readonly token: string;
  /** Of the work: aborted with `Stopped` when it is cancelled, lost, or this worker stops. */
  readonly signal: AbortSignal;
  /** Of talking to the server about it: aborted only when the lease is lost. */
  readonly talking: AbortSignal;
  /** Waits while the lease may have run out: nothing new is begun before the server has answered. */
  renewed(): Promise<void>;
  /** Asks the server now, not at the next beat. */
  beat(): void;
  lose(): void;
  /** Ends the work as if it had thrown this itself. */
  breakOff(fault: Error): void;
  close(): void;
}

export interface LeaseDeps {
  readonly client: ServerClient;
  readonly shutdown: AbortSignal;
  readonly logger: Logger;
  readonly heartbeatMs?: number;
}

export function holdLease(
  { jobId, lease }: Pick<BuildGrant, "jobId" | "lease">,
  { client, shutdown, logger, heartbeatMs = HEARTBEAT_MS }: LeaseDeps,
): Lease {
  const stop = new AbortController();
  const lost = new AbortController();
  const closed = new AbortController();
  const signal = AbortSignal.any([stop.signal, shutdown]);
  let leaseMs = lease.leaseMs;
  let renewedAt = performance.now();
  let onRenewal = Promise.withResolvers<void>();
  let isAsking = false;

  const end = (reason: StopReason): void => {
    if (reason === "lease-lost") lost.abort(new Stopped(reason));
    if (!stop.signal.aborted) stop.abort(new Stopped(reason));
  };

  const ask = async (): Promise<void> => {
    const call = {
      path: PATHS.heartbeat(jobId),
      leaseToken: lease.token,
      timeoutMs: heartbeatMs,
      ownConnection: true,
    };
    try {
      const answer = await client.ask({ ...call, answer: heartbeatAnswer }, closed.signal);
      renewedAt = performance.now();
      onRenewal.resolve();
      onRenewal = Promise.withResolvers<void>();
      leaseMs = answer?.leaseMs ?? leaseMs;
      if (answer?.cancel) end("cancelled");
    } catch (err) {
      if (closed.signal.aborted) return;
      if (err instanceof Stopped) return end(err.reason);
      const level = err instanceof ServerUnavailable ? "debug" : "error";
      logger[level]({ err, jobId }, "Lease not renewed");
    }
  };
  const beat = (): void => {
    if (isAsking) return;
    isAsking = true;
    void ask().finally(() => (isAsking = false));
  };
  const timer = setInterval(beat, heartbeatMs);

  return {
    token: lease.token,
    signal,
    talking: lost.signal,
    beat,
    lose: () => end("lease-lost"),
    breakOff: (fault) => {
      if (!stop.signal.aborted) stop.abort(fault);
    },
    renewed: async () => {
      while (performance.now() - renewedAt > leaseMs) {
        signal.throwIfAborted();
        await Promise.race([onRenewal.promise, delay(heartbeatMs, undefined, { signal })]);
      }
      signal.throwIfAborted();
    },
    close: () => {
      clearInterval(timer);
      closed.abort();
    },
  };
}
