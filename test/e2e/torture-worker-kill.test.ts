import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runWorkerKillSuite } from "../torture/worker-kill-suite.ts";

test("build workers killed in a test, while packaging and uploading: every build ends as its push deserves, nothing is left", async () => {
  const small = { seed: 4, count: 3, acceptedAbove: 3 };
  const { kills } = await expectCleanTorture(runWorkerKillSuite, small);

  expect(kills).toBe(3);
});
