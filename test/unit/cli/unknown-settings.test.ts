import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkSettings, checkUnitSettings } from "../../../src/cli/doctor/machine.ts";

test("doctor tells names that no process reads, beside what cannot be used", () => {
  const typo = { TATARA_KEEP_BUILD_DAYS: "9" };
  const told = expect.objectContaining({
    verdict: "warn",
    evidence: "TATARA_KEEP_BUILD_DAYS is not known, did you mean TATARA_KEEP_BUILDS_DAYS?",
  });

  expect(checkSettings(typo, "/data")).toContainEqual(told);
  expect(checkSettings({ ...typo, TATARA_SWEEP_SECONDS: "often" }, "/data")).toContainEqual(told);
});

test("doctor reads the environment files of the units, each name known that any process reads", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tatara-units-"));
  try {
    await writeFile(join(folder, "server.env"), "TATARA_POLL_SECOND=60\nTATARA_WORKER_TOKEN=x\n");
    await writeFile(join(folder, "build.env"), "TATARA_BUILD_SLOTS=4\n");
    await writeFile(join(folder, "notes.txt"), "TATARA_NONSENSE=1\n");

    expect(await checkUnitSettings(folder)).toMatchObject([
      {
        verdict: "warn",
        evidence: "TATARA_POLL_SECOND is not known, did you mean TATARA_POLL_SECONDS?",
        fix: `correct it in ${join(folder, "server.env")}`,
      },
    ]);
    expect(await checkUnitSettings(join(folder, "none"))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
