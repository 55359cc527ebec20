import { expect, test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runSoakSuite } from "../torture/soak-suite.ts";

test("everything at once for some seconds: all of it is sampled, and every promise is kept", async () => {
  // The count is of minutes, not of faults.
  const small = { seed: 11, count: 0.2, acceptedAbove: 2, killsMin: 0 };
  const { told } = await expectCleanTorture(runSoakSuite, small);

  for (const name of ["server", "build", "publish", "report"]) {
    expect(told.join("\n")).toMatch(new RegExp(`^${name} .*MiB`, "m"));
  }
});
