import { expect, test } from "vitest";
import { runWorkerKillSuite } from "../torture/worker-kill-suite.ts";

test("build workers killed in a test, while packaging and uploading: every build ends as its push deserves, nothing is left", async () => {
  const told: string[] = [];
  const options = { seed: 4, count: 3, keep: false, tell: (line: string) => told.push(line) };
  const { kills, accepted, violations } = await runWorkerKillSuite(options);
  expect(violations, told.join("\n")).toEqual([]);
  expect(kills).toBe(3);
  expect(accepted).toBeGreaterThan(3);
});
