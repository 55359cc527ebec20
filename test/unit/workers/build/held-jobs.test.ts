import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InfraFault } from "../../../../src/domain/faults.ts";
import { Stopped } from "../../../../src/domain/stop.ts";
import type { BuildGrant } from "../../../../src/shared/build-messages.ts";
import { serverClient } from "../../../../src/shared/server-client.ts";
import type { ServerClient } from "../../../../src/shared/server-client.ts";
import { heldJobs } from "../../../../workers/build/held-jobs.ts";
import type { HeldJobs } from "../../../../workers/build/held-jobs.ts";
import { giveUp, rememberPatiently } from "../../../../workers/build/resume/resume-job.ts";
import { aGrant, startBuildServer } from "../../../support/build-server.ts";
import type { BuildServer } from "../../../support/build-server.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

let server: BuildServer;
let client: ServerClient;
let handBack: AbortController;
let held: HeldJobs;
beforeEach(async () => {
  server = await startBuildServer();
  client = serverClient({ url: server.url, token: server.token });
  handBack = new AbortController();
  held = heldJobs({ client, shutdown: handBack.signal, logger: silentLogger, now: Date.now });
});
afterEach(async () => {
  handBack.abort(new Stopped("shutdown"));
  await held.settled();
  await server[Symbol.asyncDispose]();
});

/** A job that waits for its turn, and what its signal was when that came. */
function waiting(grant: BuildGrant): {
  readonly go: () => Promise<void>;
  readonly seen: unknown[];
} {
  const seen: unknown[] = [];
  const go = held.inTurn(grant, async ({ signal }) => {
    seen.push(signal.aborted ? signal.reason : "free");
  });
  return { go, seen };
}

const aJob = () => aGrant({ url: "http://x/a.git", sha: "a".repeat(40) });

test("a job that waits for its turn has its lease, and is worked on in its turn", async () => {
  const grant = aJob();
  const { go, seen } = waiting(grant);

  expect(held.isOurs(`${grant.jobId}-${grant.lease.attempt}`)).toBe(true);
  expect(seen).toEqual([]);
  await go();

  expect(seen).toEqual(["free"]);
  expect(held.all()).toEqual([]);
});

test("the next attempt of a job is ours while the former one is still tidying up, and after", async () => {
  const grant = aJob();
  const next = { ...grant, lease: { ...grant.lease, attempt: grant.lease.attempt + 1 } };
  const tidying = Promise.withResolvers<void>();
  const former = held.run(grant, () => tidying.promise);
  const { go } = waiting(next);

  const name = `${grant.jobId}-${next.lease.attempt}`;
  expect(held.isOurs(name)).toBe(true);
  expect(held.isOurs(`${grant.jobId}-${grant.lease.attempt}`)).toBe(true);
  tidying.resolve();
  await former;

  expect(held.isOurs(name)).toBe(true);
  expect(held.find(grant.jobId)?.attempt).toBe(name);
  await go();
  expect(held.all()).toEqual([]);
});

test("a job that is cancelled before its turn waits for it no longer", async () => {
  const grant = aJob();
  const { seen } = waiting(grant);
  server.cancelled = true;

  held.find(grant.jobId)?.lease.beat();
  await held.settled();

  expect(seen).toEqual([new Stopped("cancelled")]);
});

test("a worker that hands back does so with jobs whose turn has not come", async () => {
  const { seen } = waiting(aJob());

  handBack.abort(new Stopped("shutdown"));
  await held.settled();

  expect(seen).toEqual([new Stopped("shutdown")]);
});

test("what is not resumed is removed at once, though nobody can be told", async () => {
  const engine = scriptedEngine({});
  const grant = aJob();
  const owner = {
    workerId: "w",
    jobId: grant.jobId,
    attempt: grant.lease.attempt,
    step: "NETWORK",
  };
  const never = new AbortController().signal;
  await engine.createNetwork(owner, { egress: "internet" }, never);
  const dir = await mkdtemp(join(tmpdir(), "tatara-give-up-"));

  const lost = AbortSignal.abort(new Stopped("lease-lost"));
  const deps = { engine, workerId: "w", logger: silentLogger };
  await giveUp({ grant, dir }, { token: grant.lease.token, talking: lost }, { deps, client });

  expect(await engine.listLeftovers(never)).toEqual([]);
  await expect(stat(dir)).rejects.toThrow("ENOENT");
});

test("an engine that does not answer for a moment costs no attempt", async () => {
  const engine = scriptedEngine({});
  let refusals = 1;
  const busy = {
    ...engine,
    listLeftovers: async (signal: AbortSignal) => {
      if (refusals === 0) return await engine.listLeftovers(signal);
      refusals -= 1;
      throw new InfraFault("ENGINE_UNAVAILABLE", "connect EAGAIN");
    },
  };
  const story = { life: 1, opened: new Map(), ended: new Map() };
  const job = { grant: aJob(), dir: tmpdir(), life: 2, story, logs: {} };
  const deps = { engine: busy, workerId: "w", logger: silentLogger };

  const { life } = await rememberPatiently(job, new AbortController().signal, {
    deps,
    ready: async () => undefined,
  });

  expect(life).toBe(2);
  expect(refusals).toBe(0);
});
