import { expect, test } from "vitest";
import { runSoakSuite } from "../torture/soak-suite.ts";

test("everything at once for some seconds: all of it is sampled, and every promise is kept", async () => {
  const told: string[] = [];
  const options = { seed: 11, count: 0.2, keep: false, tell: (line: string) => told.push(line) };
  const { accepted, violations } = await runSoakSuite(options);
  expect(violations, told.join("\n")).toEqual([]);
  expect(accepted).toBeGreaterThan(2);
  for (const name of ["server", "build", "publish", "report"]) {
    expect(told.join("\n")).toMatch(new RegExp(`^${name} .*MiB`, "m"));
  }
});
