import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CRASH_WINDOW_MS } from "../../../../src/domain/life/return-of-worker.ts";
import { crashHistory } from "../../../../workers/build/resume/crash-history.ts";
import { silentLogger as logger } from "../../../support/silent-logger.ts";

let dir: string;
let at: number;
/** A new life of the worker. */
const life = () => crashHistory(dir, { now: () => at, logger });
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-crashes-"));
  at = 1_000_000;
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

test("a worker that crashed twice with work in its hands is careful", async () => {
  expect(await life().returned(1)).toBe(false);
  expect(await life().returned(2)).toBe(true);
});

test("neither a planned restart nor a crash of an idle worker makes it careful", async () => {
  for (const heldJobs of [1, 0, 0]) expect(await life().returned(heldJobs)).toBe(false);
  const planned = life();
  await planned.goodbye();

  expect(await life().returned(1)).toBe(false);
});

test("crashes are forgotten after a while", async () => {
  await life().returned(1);
  at += CRASH_WINDOW_MS + 1;

  expect(await life().returned(1)).toBe(false);
});

test("a disk that refuses to remember keeps no worker from starting", async () => {
  await writeFile(join(dir, "a-file"), "");
  const stuck = crashHistory(join(dir, "a-file"), { now: () => at, logger });

  expect(await stuck.returned(1)).toBe(false);
  await stuck.goodbye();
});
