import { expect, test } from "vitest";
import { runBackupSuite } from "../torture/backup-suite.ts";

test("a backup that was taken while everything died in turn makes a whole Tatara again", async () => {
  const told: string[] = [];
  const outcome = await runBackupSuite({
    seed: 3,
    count: 2,
    keep: false,
    tell: (line) => void told.push(line),
  });

  expect(outcome.violations, told.join("\n")).toEqual([]);
  expect(told.join("\n")).toContain("another Tatara runs on the newest backup");
});
