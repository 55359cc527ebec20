import { expect, test } from "vitest";
import { runDiskFaultsSuite } from "../torture/disk-faults-suite.ts";

const SEED = 5;
const COUNT = 4;

test("a disk that refuses single writes costs no accepted push, and nothing stays behind", async () => {
  const told: string[] = [];

  const { accepted, kills, violations } = await runDiskFaultsSuite({
    seed: SEED,
    count: COUNT,
    keep: false,
    tell: (line) => told.push(line),
  });

  expect(violations, told.join("\n")).toEqual([]);
  expect(accepted).toBeGreaterThan(0);
  expect(kills).toBeGreaterThanOrEqual(COUNT);
});
