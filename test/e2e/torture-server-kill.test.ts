import { expect, test } from "vitest";
import { runServerKillSuite } from "../torture/server-kill-suite.ts";

test("kill -9 of the server at random and at failpoints: each 2xx has its row, each push one build", async () => {
  const outcome = await runServerKillSuite({
    seed: 1,
    count: 6,
    keep: false,
    tell: () => undefined,
  });

  expect(outcome.violations).toEqual([]);
  expect(outcome.kills).toBe(6);
  expect(outcome.accepted).toBeGreaterThan(100);
});
