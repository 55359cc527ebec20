import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runRedisKillSuite } from "../torture/redis-kill-suite.ts";

test("Redis killed, cut, emptied, spoilt, full, away, frozen and slow: nothing is lost, nothing doubled", async () => {
  const { kills } = await expectCleanTorture(runRedisKillSuite, { seed: 1, count: 9 });

  expect(kills).toBe(9);
});
