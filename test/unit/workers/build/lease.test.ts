import { afterEach, beforeEach, expect, test } from "vitest";
import { Stopped, stopReason } from "../../../../src/domain/stop.ts";
import { serverClient } from "../../../../src/shared/server-client.ts";
import { holdLease } from "../../../../workers/build/lease.ts";
import type { Lease } from "../../../../workers/build/lease.ts";
import { aGrant, startBuildServer } from "../../../support/build-server.ts";
import type { BuildServer } from "../../../support/build-server.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { until } from "../../../support/until.ts";

const grant = aGrant({ url: "http://x/a.git", sha: "a".repeat(40) });

let server: BuildServer;
let shutdown: AbortController;
let lease: Lease | undefined;
beforeEach(async () => {
  server = await startBuildServer();
  shutdown = new AbortController();
});
afterEach(async () => {
  lease?.close();
  await server[Symbol.asyncDispose]();
});

function hold({ leaseMs = 25_000 } = {}): Lease {
  const client = serverClient({ url: server.url, token: server.token });
  const options = { client, shutdown: shutdown.signal, logger: silentLogger, heartbeatMs: 10 };
  lease = holdLease({ ...grant, lease: { ...grant.lease, leaseMs } }, options);
  return lease;
}

test("the lease is renewed on its own timer", async () => {
  const held = hold();

  await until(() => server.told(grant.jobId).heartbeats > 2, true);

  expect(held.signal.aborted).toBe(false);
});

test("a cancellation comes with the heartbeat, and talking goes on", async () => {
  const held = hold();
  server.cancelled = true;

  await until(() => stopReason(held.signal), "cancelled");

  expect(held.talking.aborted).toBe(false);
});

test("a lost lease ends the work and the talking", async () => {
  const held = hold();
  server.stale = true;

  await until(() => stopReason(held.signal), "lease-lost");

  expect(held.talking.aborted).toBe(true);
});

test("a shutdown ends the work, and talking goes on", () => {
  const held = hold();

  shutdown.abort(new Stopped("shutdown"));

  expect(stopReason(held.signal)).toBe("shutdown");
  expect(held.talking.aborted).toBe(false);
});

test("when the lease may have run out nothing new begins before the server has answered", async () => {
  server.failing = () => true;
  const held = hold({ leaseMs: 30 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  let isRenewed = false;

  const waiting = held.renewed().then(() => (isRenewed = true));
  await new Promise((resolve) => setTimeout(resolve, 60));
  const wasRenewed = isRenewed;
  server.failing = () => false;
  await waiting;

  expect(wasRenewed).toBe(false);
  expect(held.signal.aborted).toBe(false);
});

test("a closed lease asks no more", async () => {
  const held = hold();
  await until(() => server.told(grant.jobId).heartbeats > 0, true);

  held.close();
  const { heartbeats } = server.told(grant.jobId);
  await new Promise((resolve) => setTimeout(resolve, 50));

  expect(server.told(grant.jobId).heartbeats).toBeLessThanOrEqual(heartbeats + 1);
});
