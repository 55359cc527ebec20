import { expect, test } from "vitest";
import { runRedisKillSuite } from "../torture/redis-kill-suite.ts";

test("Redis killed, cut, emptied, spoilt, full, away, frozen and slow: nothing is lost, nothing doubled", async () => {
  const outcome = await runRedisKillSuite({
    seed: 1,
    count: 9,
    keep: false,
    tell: () => undefined,
  });

  expect(outcome.violations).toEqual([]);
  expect(outcome.kills).toBe(9);
  expect(outcome.accepted).toBeGreaterThan(0);
});
