import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runServerKillSuite } from "../torture/server-kill-suite.ts";

test("kill -9 of the server at random and at failpoints: each 2xx has its row, each push one build", async () => {
  const small = { seed: 1, count: 6, acceptedAbove: 100 };
  const { kills } = await expectCleanTorture(runServerKillSuite, small);

  expect(kills).toBe(6);
});
