import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runDockerKillSuite } from "../torture/docker-kill-suite.ts";

test("Docker killed and restarted mid-image and mid-step: all ends as it should, nothing is left", async () => {
  const small = { seed: 5, count: 3, acceptedAbove: 3 };
  const { kills } = await expectCleanTorture(runDockerKillSuite, small);

  expect(kills).toBe(3);
});
