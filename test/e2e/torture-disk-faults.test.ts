import { test } from "vitest";
import { expectCleanTorture } from "../support/expect-clean-torture.ts";
import { runDiskFaultsSuite } from "../torture/disk-faults-suite.ts";

test("a disk that refuses single writes costs no accepted push, and nothing stays behind", async () => {
  await expectCleanTorture(runDiskFaultsSuite, { seed: 5, count: 4 });
});
