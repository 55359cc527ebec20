import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runForgeFaultsSuite } from "../torture/forge-faults-suite.ts";

test("a forge in bad weather shows the right states in the end, and nothing that it could not deliver is lost", async () => {
  // The count is of pushes; how often the weather spoils something is drawn.
  const small = { seed: 7, count: 10, acceptedAbove: 5, killsMin: 4 };
  await expectCleanTorture(runForgeFaultsSuite, small);
});
