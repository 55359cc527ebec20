import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CAPS, checkBounds } from "../../../src/invariants/check-bounds.ts";
import type { Look } from "../../../src/invariants/world.ts";
import { logPath } from "../../../workers/build/job-record.ts";

const MIB = 2 ** 20;

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "tatara-bounds-"));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

/** A file of that size that takes no room. */
async function sized(path: string, bytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "");
  await truncate(path, bytes);
}

async function spool(jobId: string, step: string, bytes: number): Promise<void> {
  await sized(logPath(join(dataDir, "worker", "w1", "jobs", `${jobId}-2`), step), bytes);
}

async function served(jobId: string, step: string, bytes: number): Promise<void> {
  await sized(join(dataDir, "logs", "b1", jobId, "2", `${step}.log`), bytes);
}

async function found(): Promise<readonly string[]> {
  const jobs = ["j1", "j2"].map((id) => ({ id, buildId: "b1", state: "running" }));
  const look = {
    dataDir,
    records: { all: (table: string) => (table === "jobs" ? jobs : []) },
    processes: async () => [],
    waitingBuildsMax: 100,
  };
  const findings = await checkBounds(look as object as Look);
  return findings
    .filter(({ what }) => !what.includes("disk"))
    .map(({ what, where, evidence }) => `${what}: ${where}: ${evidence}`);
}

test("a worker whose logs the server does not take is found once they are over the cap", async () => {
  for (const step of ["a", "b", "c", "d"]) await spool("j1", step, 70 * MIB);
  expect(await found()).toEqual([]);

  await spool("j2", "a~db", 70 * MIB);

  expect(await found()).toEqual(["a worker spools more log than it may: w1: 350 MiB"]);
});

test("what the server has already is no spool, and no other file of a job is one", async () => {
  for (const step of ["a", "b", "c", "d", "e"]) {
    await spool("j1", step, 70 * MIB);
    await served("j1", step, 60 * MIB);
  }
  await sized(join(dataDir, "worker", "w1", "jobs", "j1-2", "kept", "deep", "a.log"), 900 * MIB);
  await sized(join(dataDir, "worker", "w1", "jobs", "j1-2", "sources.tar"), 900 * MIB);

  expect(await found()).toEqual([]);
});

test("one step's log has a cap of its own, on both sides", async () => {
  await spool("j1", "a", CAPS.logBytes + MIB);
  await served("j1", "a", CAPS.logBytes + MIB);

  const inWorker = join(dataDir, "worker/w1/jobs/j1-2/a.log");
  const inServer = join(dataDir, "logs/b1/j1/2/a.log");
  expect(await found()).toEqual([
    `a step's log is longer than it may be: ${inServer}: 81 MiB`,
    `a worker writes a longer log than it may: ${inWorker}: 81 MiB`,
  ]);
});
