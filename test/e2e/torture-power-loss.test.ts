import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runPowerLossSuite } from "../torture/power-loss-suite.ts";

test("a loss of power takes nothing that anybody was told, and Tatara starts from what is left", async () => {
  await expectCleanTorture(runPowerLossSuite, { seed: 3, count: 300 });
});
