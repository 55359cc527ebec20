import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InfraFault } from "../../../../src/domain/faults.ts";
import { Stopped } from "../../../../src/domain/stop.ts";
import type { BuildGrant } from "../../../../src/shared/build-messages.ts";
import { serverClient } from "../../../../src/shared/server-client.ts";
import { openClaims } from "../../../../workers/build/claims.ts";
import type { Claims } from "../../../../workers/build/claims.ts";
import { watchEngine } from "../../../../workers/build/engine-watch.ts";
import { aGrant, startBuildServer } from "../../../support/build-server.ts";
import type { BuildServer } from "../../../support/build-server.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { until } from "../../../support/until.ts";

let server: BuildServer;
let shutdown: AbortController;
let running: Map<string, () => void>;
beforeEach(async () => {
  server = await startBuildServer();
  shutdown = new AbortController();
  running = new Map();
});
afterEach(async () => {
  shutdown.abort(new Stopped("shutdown"));
  await server[Symbol.asyncDispose]();
});

function open({
  slots = 2,
  answers = async (): Promise<void> => undefined,
  carefulMs = 60_000,
} = {}): Claims {
  const client = serverClient({ url: server.url, token: server.token });
  const run = (grant: BuildGrant) =>
    new Promise<void>((resolve) => void running.set(grant.jobId, resolve));
  return openClaims({
    client,
    engine: watchEngine({ engine: { answers }, logger: silentLogger }),
    workerId: "w",
    slots,
    run,
    shutdown: shutdown.signal,
    logger: silentLogger,
    random: Math.random,
    carefulMs,
  });
}

function offer(): BuildGrant {
  const grant = aGrant({
    url: "http://x/a.git",
    sha: randomUUID().replaceAll("-", "").padEnd(40, "0"),
  });
  server.waiting.push(grant);
  return grant;
}

test("a claimed job runs in the background, and the next one can be claimed", async () => {
  const [first, second] = [offer(), offer()];
  const claims = open();

  expect(await claims.claimOne()).toBe("claimed");
  expect(await claims.claimOne()).toBe("claimed");

  expect([...running.keys()]).toEqual([first.jobId, second.jobId]);
});

test("nothing to claim leaves the slot free", async () => {
  const claims = open({ slots: 1 });

  expect(await claims.claimOne()).toBe("nothing");
  offer();
  expect(await claims.claimOne()).toBe("claimed");
});

test("while all slots are busy nothing is claimed, so that another worker can", async () => {
  const [first, second] = [offer(), offer()];
  const claims = open({ slots: 1 });
  await claims.claimOne();

  const waiting = claims.claimOne();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.waiting).toEqual([second]);
  running.get(first.jobId)?.();

  expect(await waiting).toBe("claimed");
});

test("while the engine is away nothing is claimed", async () => {
  offer();
  let isAway = true;
  const answers = async () => {
    if (isAway) throw new InfraFault("ENGINE_UNAVAILABLE", "The engine does not answer.");
  };
  const claims = open({ answers });

  const waiting = claims.claimOne();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.waiting.length).toBe(1);
  isAway = false;

  expect(await waiting).toBe("claimed");
});

test("a worker that stops waits for no slot", async () => {
  offer();
  const claims = open({ slots: 1 });
  await claims.claimOne();

  const waiting = claims.claimOne();
  shutdown.abort(new Stopped("shutdown"));

  await expect(waiting).rejects.toThrow("shutdown");
});

test("a slot that was waited for in vain is not lost", async () => {
  const grants = [offer(), offer()];
  const claims = open({ slots: 1 });
  server.failing = () => true;
  const failing = claims.claimOne();
  server.failing = () => false;
  await failing;
  running.get(grants[0]?.jobId ?? "")?.();

  expect(await claims.claimOne()).toBe("claimed");
  await until(() => running.size, 2);
});

/** A job of an earlier life that lasts until it is told to end. */
function aReturned(name: string): () => Promise<void> {
  return () => new Promise<void>((resolve) => void running.set(name, resolve));
}

test("jobs of an earlier life go on together, before anything is claimed", async () => {
  offer();
  const claims = open({ slots: 2 });

  claims.resume([aReturned("first"), aReturned("second")], false);
  const claiming = claims.claimOne();
  await until(() => running.size, 2);

  expect([...running.keys()]).toEqual(["first", "second"]);
  expect(server.waiting.length).toBe(1);
  running.get("first")?.();
  expect(await claiming).toBe("claimed");
});

test("after two crashes jobs go on one after the other, and nothing is claimed meanwhile", async () => {
  offer();
  const claims = open({ slots: 3 });

  claims.resume([aReturned("first"), aReturned("second")], true);
  const claiming = claims.claimOne();
  await until(() => running.has("first"), true);
  expect(running.has("second")).toBe(false);
  running.get("first")?.();
  await until(() => running.has("second"), true);
  expect(server.waiting.length).toBe(1);
  running.get("second")?.();

  expect(await claiming).toBe("claimed");
});

test("a worker is careful for a while only, however long a job lasts", async () => {
  offer();
  const claims = open({ slots: 3, carefulMs: 50 });

  claims.resume([aReturned("first"), aReturned("second")], true);

  expect(await claims.claimOne()).toBe("claimed");
  await until(() => running.has("second"), true);
});

test("a careful worker that stops waits for no job", async () => {
  const claims = open();
  claims.resume([aReturned("first"), aReturned("second")], true);

  const waiting = claims.claimOne();
  shutdown.abort(new Stopped("shutdown"));

  await expect(waiting).rejects.toThrow("shutdown");
  expect(running.has("second")).toBe(false);
});

test("an idle worker asks without being told", async () => {
  const grant = offer();
  const claims = open();

  void claims.askWhileIdle();

  await until(() => running.has(grant.jobId), true);
});
