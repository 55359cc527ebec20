import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runUpgradeSuite } from "../torture/upgrade-suite.ts";
import { previousCommit } from "../torture/upgrade/previous-version.ts";

test("each process is replaced by the next version under load, and nothing is lost", async () => {
  const commit = await previousCommit();
  if (typeof commit !== "string") {
    // What needs no history is in test/integration/upgrade-records.test.ts and runs all the same.
    process.stderr.write(`NOT RUN: the version before cannot be started: ${commit.absent}.\n`);
    return;
  }
  await expectCleanTorture(runUpgradeSuite, { seed: 7, count: 4, acceptedAbove: 1 });
});
