import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runNetworkSuite } from "../torture/network-suite.ts";

test("faults on the links between all parts lose nothing, double nothing and leave nothing", async () => {
  await expectCleanTorture(runNetworkSuite, { seed: 5, count: 10 });
});
