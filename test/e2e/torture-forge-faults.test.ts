import { expect, test } from "vitest";
import { runForgeFaultsSuite } from "../torture/forge-faults-suite.ts";

test("a forge in bad weather shows the right states in the end, and nothing that it could not deliver is lost", async () => {
  const told: string[] = [];
  const outcome = await runForgeFaultsSuite({
    seed: 7,
    count: 10,
    keep: false,
    tell: (line) => void told.push(line),
  });

  expect(outcome.violations, told.join("\n")).toEqual([]);
  expect(outcome.accepted).toBeGreaterThan(5);
  expect(outcome.kills).toBeGreaterThan(3);
});
