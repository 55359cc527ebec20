import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runSimulationSuite } from "../torture/simulation-suite.ts";

/** More than one thread's share, so that threads and their sums are seen to work. */
const SCHEDULES = 6_000;

test("the simulation's suite runs its schedules on several threads and counts them", async () => {
  const small = { seed: 7, count: SCHEDULES, acceptedAbove: SCHEDULES };
  const { told } = await expectCleanTorture(runSimulationSuite, small);

  expect(told.at(-1)).toContain(`${SCHEDULES} schedules`);
});
