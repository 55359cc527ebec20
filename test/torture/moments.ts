import { setTimeout as delay } from "node:timers/promises";
import type { StepKind } from "../../src/domain/step.ts";
import type { Random } from "./random.ts";
import { openRecords } from "./records.ts";
import type { Records } from "./records.ts";

/** What is under way when somebody is killed; `any` takes the moment as it comes. */
const MOMENTS = {
  any: () => true,
  checkout: (records) => isStepRunning(records, "checkout"),
  image: (records) => isStepRunning(records, "image"),
  test: (records) => isStepRunning(records, "test"),
  package: (records) => isStepRunning(records, "package"),
  stage: (records) => isPublishing(records, "stage"),
  verify: (records) => isStepRunning(records, "verify"),
  publish: (records) => isPublishing(records, "final"),
  status: (records) => records.all("outbox").some(({ leaseToken }) => leaseToken !== null),
} as const satisfies Record<string, (records: Records) => boolean>;

const WEIGHTS = {
  any: 6,
  checkout: 1,
  image: 1,
  test: 2,
  package: 2,
  stage: 2,
  verify: 2,
  publish: 4,
  status: 1,
} as const satisfies Record<keyof typeof MOMENTS, number>;
/** Some moments last milliseconds. */
const LOOK_EVERY_MS = 5;
const WAIT_MS = 3_000;
const DEEPER_MS = 300;

export type Moment = keyof typeof MOMENTS;

/** Waits for a drawn moment, and then a little into it; one that does not come is not waited for long. */
export async function drawnMoment(dataDir: string, random: Random): Promise<Moment> {
  const moment = random.weighted(WEIGHTS);
  // Mostly near its beginning, since most are short.
  const deeperMs = Math.round(random.next() ** 3 * DEEPER_MS);
  const endAt = performance.now() + WAIT_MS;
  using records = openRecords(dataDir);
  while (!MOMENTS[moment](records) && performance.now() < endAt) await delay(LOOK_EVERY_MS);
  await delay(deeperMs);
  return moment;
}

function isStepRunning(records: Records, wanted: StepKind): boolean {
  return records.all("steps").some(({ kind, state }) => kind === wanted && state === "running");
}

function isPublishing(records: Records, wanted: "stage" | "final"): boolean {
  return records
    .all("publishes")
    .some(({ purpose, state }) => purpose === wanted && state === "running");
}
