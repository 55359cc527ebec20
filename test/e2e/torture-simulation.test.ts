import { expect, test } from "vitest";
import { runSimulationSuite } from "../torture/simulation-suite.ts";

/** More than one thread's share, so that threads and their sums are seen to work. */
const SCHEDULES = 6_000;

test("the simulation's suite runs its schedules on several threads and counts them", async () => {
  const told: string[] = [];
  const tell = (line: string): void => void told.push(line);

  const outcome = await runSimulationSuite({ seed: 7, count: SCHEDULES, keep: false, tell });

  expect(outcome.violations).toEqual([]);
  expect(outcome.accepted).toBeGreaterThan(SCHEDULES);
  expect(told.at(-1)).toContain(`${SCHEDULES} schedules`);
});
