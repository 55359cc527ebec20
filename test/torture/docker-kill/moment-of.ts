import { setTimeout as delay } from "node:timers/promises";
import { openRecords } from "../records.ts";
import type { Records } from "../records.ts";
import type { Random } from "../random.ts";

const KINDS = { image: 3, test: 3, package: 2, any: 1 } as const;
type Kind = keyof typeof KINDS;

const LOOK_EVERY_MS = 5;
const WAIT_MS = 8_000;
/** Without any running step a kill would show nothing. */
const WAIT_FOR_ANY_MS = 90_000;
const DEEPER_MS = 400;

/**
 * Waits until a drawn kind of step runs, and then a little into it. Jobs are hit only before their
 * attempt `sparedAttempt`.
 */
export async function momentOf(
  dataDir: string,
  { random, sparedAttempt }: { readonly random: Random; readonly sparedAttempt: number },
): Promise<string> {
  const wanted = random.weighted(KINDS);
  const deeperMs = Math.round(random.next() ** 2 * DEEPER_MS);
  const startedAt = performance.now();
  using records = openRecords(dataDir);
  const passed = () => performance.now() - startedAt;
  for (;;) {
    const isLate = passed() > WAIT_MS;
    if (passed() > WAIT_FOR_ANY_MS) return "nothing ran";
    if (!isAnySpared(records, sparedAttempt) && runs(records, isLate ? "any" : wanted)) break;
    await delay(LOOK_EVERY_MS);
  }
  await delay(deeperMs);
  return running(records).join(", ");
}

function runs(records: Records, wanted: Kind): boolean {
  return runningSteps(records).some(({ kind }) => wanted === "any" || kind === wanted);
}

function running(records: Records): readonly string[] {
  return runningSteps(records).map(({ name }) => name);
}

function runningSteps(records: Records) {
  return records.all("steps").filter(({ state }) => state === "running");
}

function isAnySpared(records: Records, sparedAttempt: number): boolean {
  return records
    .all("jobs")
    .some(({ state, countedAttempts }) => state === "running" && countedAttempts >= sparedAttempt);
}
