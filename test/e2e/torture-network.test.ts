import { expect, test } from "vitest";
import { runNetworkSuite } from "../torture/network-suite.ts";

const SEED = 5;
const COUNT = 10;

test("faults on the links between all parts lose nothing, double nothing and leave nothing", async () => {
  const told: string[] = [];

  const { accepted, kills, violations } = await runNetworkSuite({
    seed: SEED,
    count: COUNT,
    keep: false,
    tell: (line) => told.push(line),
  });

  expect(violations, told.join("\n")).toEqual([]);
  expect(accepted).toBeGreaterThan(0);
  expect(kills).toBeGreaterThanOrEqual(COUNT);
});
