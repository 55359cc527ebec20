import { expect, test } from "vitest";
import { ATTEMPTS_MAX, LEASE_MS } from "../../../src/domain/attempt.ts";
import { leaseUntil, lossOfLease } from "../../../src/domain/life/lease.ts";
import {
  CRASH_WINDOW_MS,
  GOODBYE_LEASE_MS,
  goodbyeOfWorker,
  resumesOneByOne,
  returnOfWorker,
  type HeldAttempt,
} from "../../../src/domain/life/return-of-worker.ts";

const NOW = 1_000_000;
const CRASHED: HeldAttempt = {
  state: "running",
  isNewest: true,
  countedAttempts: 1,
  goodbyeAt: null,
  hasEndedStep: false,
};

test("a worker that crashed goes on with its attempt, and has lost one when nothing came of it", () => {
  const set = { leaseExpiresAt: NOW + LEASE_MS, countedAttempts: 2, goodbyeAt: null };

  expect(returnOfWorker(CRASHED, NOW)).toEqual({ kind: "resume", isCounted: true, set });
});

test("a step that has ended since it was there last makes its return free", () => {
  const held = { ...CRASHED, hasEndedStep: true, countedAttempts: ATTEMPTS_MAX };

  expect(returnOfWorker(held, NOW)).toMatchObject({ kind: "resume", isCounted: false });
});

test("a job that brings its worker down each time ends after three", () => {
  let held = CRASHED;
  const kinds: string[] = [];
  for (let crashes = 0; crashes < ATTEMPTS_MAX; crashes += 1) {
    const back = returnOfWorker(held, NOW);
    kinds.push(back.kind);
    if (back.kind === "resume") held = { ...held, ...back.set };
  }

  expect(kinds).toEqual(["resume", "resume", "give-up"]);
});

test("a planned restart never counts", () => {
  const held = { ...CRASHED, goodbyeAt: NOW - 5_000, countedAttempts: ATTEMPTS_MAX };

  expect(returnOfWorker(held, NOW)).toMatchObject({ kind: "resume", isCounted: false });
  expect(lossOfLease(held)).toBe("stayed-away");
});

test.each([
  ["another was granted the job", { isNewest: false }],
  ["it waits for its next attempt", { state: "queued" }],
  ["it has ended", { state: "passed" }],
] as const)("a worker comes back to nothing when %s", (_why, facts) => {
  expect(returnOfWorker({ ...CRASHED, ...facts }, NOW)).toEqual({ kind: "stale" });
  expect(goodbyeOfWorker({ ...CRASHED, ...facts }, NOW)).toBeUndefined();
});

test("who says goodbye is waited for as long as an upgrade takes", () => {
  const goodbye = goodbyeOfWorker(CRASHED, NOW);

  expect(goodbye).toEqual({ goodbyeAt: NOW, leaseExpiresAt: NOW + GOODBYE_LEASE_MS });
  // Neither a late heartbeat nor the server's own restart makes that shorter.
  expect(leaseUntil(NOW, NOW + 1)).toBeGreaterThanOrEqual(NOW + GOODBYE_LEASE_MS);
  expect(leaseUntil(null, NOW)).toBe(NOW + LEASE_MS);
});

test("a worker that crashed twice within ten minutes resumes one job at a time", () => {
  expect(resumesOneByOne([NOW - 1], NOW)).toBe(false);
  expect(resumesOneByOne([NOW - CRASH_WINDOW_MS - 1, NOW - 1], NOW)).toBe(false);
  expect(resumesOneByOne([NOW - CRASH_WINDOW_MS, NOW - 1], NOW)).toBe(true);
});
