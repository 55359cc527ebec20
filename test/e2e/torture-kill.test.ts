import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runKillSuite } from "../torture/kill-suite.ts";

test("kill -9 of whichever process, one after the other, loses nothing, doubles nothing and leaves nothing", async () => {
  await expectCleanTorture(runKillSuite, { seed: 12, count: 5 });
});
