import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runBackupSuite } from "../torture/backup-suite.ts";

test("a backup that was taken while everything died in turn makes a whole Tatara again", async () => {
  const { told } = await expectCleanTorture(runBackupSuite, { seed: 3, count: 2 });

  expect(told).toContain("another Tatara runs on the newest backup");
});
