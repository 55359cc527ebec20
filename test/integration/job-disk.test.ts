import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { scriptedEngine } from "../support/scripted-engine.ts";
import { scriptedJobs } from "../support/scripted-jobs.ts";

const { setUp, expectNothingLeft } = scriptedJobs();

async function fullDisk(): Promise<string> {
  const disk = await mkdtemp(join(tmpdir(), "tatara-full-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tatara-test", disk]);
  onTestFinished(async () => {
    execFileSync("umount", ["--lazy", disk]);
    await rm(disk, { recursive: true, force: true });
  });
  await writeFile(join(disk, "filler"), Buffer.alloc(2 ** 17, 1)).catch(() => undefined);
  return disk;
}

test("a disk that refused a log is told also where another fault ends the attempt", async () => {
  const engine = scriptedEngine({ unit: { output: ["x\n"], how: "lost" } });
  const { rig, grant } = await setUp(engine);
  const jobDir = join(rig.dir, "jobs", `${grant.jobId}-1`);
  await mkdir(jobDir, { recursive: true });
  await symlink(join(await fullDisk(), "unit.log"), join(jobDir, "unit.log"));

  const told = await rig.run(grant);

  expect(told.fault).toMatchObject({
    code: "ENGINE_FAILED",
    message: expect.stringContaining("the worker's disk refused write, for no space is left"),
  });
  await expectNothingLeft(engine);
});
