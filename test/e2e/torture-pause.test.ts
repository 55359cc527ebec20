import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runPauseSuite } from "../torture/pause-suite.ts";

test("processes that stand still for a while lose nothing, double nothing and leave nothing", async () => {
  await expectCleanTorture(runPauseSuite, { seed: 25, count: 6 });
});
