import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runKillSweep } from "../torture/yum/kill-sweep.ts";

test("kill -9 of the publish worker at its file work: a whole generation before, between and after", async () => {
  const { kills } = await expectCleanTorture(runKillSweep, { seed: 1, count: 6, acceptedAbove: 5 });

  expect(kills).toBe(6);
});
