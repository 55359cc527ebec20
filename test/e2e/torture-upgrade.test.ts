import { expect, test } from "vitest";
import { runUpgradeSuite } from "../torture/upgrade-suite.ts";
import { previousCommit } from "../torture/upgrade/previous-version.ts";

test("each process is replaced by the next version under load, and nothing is lost", async () => {
  const commit = await previousCommit();
  if (typeof commit !== "string") {
    // What needs no history is in test/integration/upgrade-records.test.ts and runs all the same.
    process.stderr.write(`NOT RUN: the version before cannot be started: ${commit.absent}.\n`);
    return;
  }
  const told: string[] = [];
  const outcome = await runUpgradeSuite({
    seed: 7,
    count: 4,
    keep: false,
    tell: (line) => void told.push(line),
  });

  expect(outcome.violations, told.join("\n")).toEqual([]);
  expect(outcome.kills).toBeGreaterThan(3);
  expect(outcome.accepted).toBeGreaterThan(1);
});
