import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serverClient } from "../../../../src/shared/server-client.ts";
import type { Engine, Owner } from "../../../../workers/build/engine.ts";
import { reap } from "../../../../workers/build/reaper.ts";
import { startBuildServer } from "../../../support/build-server.ts";
import type { BuildServer } from "../../../support/build-server.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

const never = new AbortController().signal;

let server: BuildServer;
let jobsDir: string;
beforeEach(async () => {
  server = await startBuildServer();
  jobsDir = await mkdtemp(join(tmpdir(), "tatara-jobs-"));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(jobsDir, { recursive: true });
});

test("what another worker kept goes once its time is long over", async () => {
  const engine = scriptedEngine();
  const owner = { workerId: "gone", jobId: "j", attempt: 1 };
  await engine.createNetwork({ ...owner, step: "over" }, { egress: "internet" }, never);
  await engine.createNetwork({ ...owner, step: "not-yet" }, { egress: "internet" }, never);
  const listLeftovers = async (signal: AbortSignal) =>
    (await engine.listLeftovers(signal)).map((found) => ({
      ...found,
      isOver: found.id.endsWith("over"),
    }));

  await reapAs("w", { ...engine, listLeftovers });

  expect(engine.leftovers()).toEqual(["network not-yet"]);
});

test("what this worker's dead attempts left is removed; live ones, ours and others' stay", async () => {
  const engine = scriptedEngine();
  const leave = async (jobId: string, changes: Partial<Owner> = {}) => {
    const owner = { workerId: "w", jobId, attempt: 1, step: jobId, ...changes };
    await engine.createNetwork(owner, { egress: "internet" }, never);
    await mkdir(join(jobsDir, `${owner.jobId}-${owner.attempt}`), { recursive: true });
  };
  await leave("dead");
  await leave("live");
  await leave("live", { attempt: 2, step: "newer" });
  await leave("running-here");
  await leave("foreign", { workerId: "other" });
  server.live.push({ jobId: "live", attempt: 2 });

  await reapAs("w", engine);

  expect(engine.leftovers().toSorted()).toEqual([
    "network foreign",
    "network newer",
    "network running-here",
  ]);
  expect((await readdir(jobsDir)).toSorted()).toEqual(["live-2", "running-here-1"]);
});

async function reapAs(workerId: string, engine: Engine): Promise<void> {
  await reap(
    {
      engine,
      client: serverClient({ url: server.url, token: server.token }),
      workerId,
      jobsDir,
      isOurs: (attempt) => attempt === "running-here-1",
      tidy: async () => undefined,
      pause: async () => "over",
      logger: silentLogger,
    },
    never,
  );
}
