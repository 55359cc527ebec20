import { expect, test } from "vitest";
import { runPauseSuite } from "../torture/pause-suite.ts";

const SEED = 5;
const COUNT = 6;

test("processes that stand still for a while lose nothing, double nothing and leave nothing", async () => {
  const told: string[] = [];

  const { accepted, kills, violations } = await runPauseSuite({
    seed: SEED,
    count: COUNT,
    keep: false,
    tell: (line) => told.push(line),
  });

  expect(violations, told.join("\n")).toEqual([]);
  expect(accepted).toBeGreaterThan(0);
  expect(kills).toBeGreaterThanOrEqual(COUNT);
});
