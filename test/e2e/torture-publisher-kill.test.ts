import { expect, test } from "vitest";
import { runKillSweep } from "../torture/yum/kill-sweep.ts";

test("kill -9 of the publish worker at its file work: a whole generation before, between and after", async () => {
  const outcome = await runKillSweep({ seed: 1, count: 6, keep: false, tell: () => undefined });

  expect(outcome.violations).toEqual([]);
  expect(outcome.kills).toBe(6);
  expect(outcome.accepted).toBeGreaterThan(5);
});
