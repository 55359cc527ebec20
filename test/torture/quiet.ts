import { setTimeout as delay } from "node:timers/promises";
import { isFinal } from "../../src/domain/states.ts";
import { openRecords } from "./records.ts";

/**
 * An infra fault pauses a job for 30 s, then 4 min; a build's jobs, its publish and what verifies it come
 * one after the other. Nothing honest takes longer.
 */
const QUIET_MS = 900_000;
const LOOK_EVERY_MS = 500;

/** Waits until nothing is under way and every status is sent; after the deadline the checks tell. */
export async function untilQuiet(dataDir: string): Promise<boolean> {
  const endAt = performance.now() + QUIET_MS;
  while (performance.now() < endAt) {
    if (isQuiet(dataDir)) return true;
    await delay(LOOK_EVERY_MS);
  }
  return false;
}

function isQuiet(dataDir: string): boolean {
  using records = openRecords(dataDir);
  const open = records.all("builds").filter(({ state }) => !isFinal(state));
  const unsent = records
    .all("outbox")
    .filter((row) => row.version > row.sentVersion && row.terminalReason === null);
  return open.length === 0 && unsent.length === 0;
}
