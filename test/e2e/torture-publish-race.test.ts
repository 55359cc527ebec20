import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runRaceSuite } from "../torture/yum/race-suite.ts";

test("hosts and checkers see whole, signed generations while a channel changes without a pause", async () => {
  await expectCleanTorture(runRaceSuite, { seed: 3, count: 20, acceptedAbove: 19, killsMin: 0 });
});
