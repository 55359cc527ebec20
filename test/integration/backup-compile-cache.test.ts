import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { aBackupFolder } from "../support/backup-folder.ts";

test("where the home is the data folder, a command before a restore is not in its way", async () => {
  await using folder = await aBackupFolder();
  const { stdout } = await folder.tatara(["backup", join(folder.dir, "backups")]);
  const dataDir = join(folder.dir, "fresh");
  await mkdir(dataDir);
  const env = { HOME: dataDir, TATARA_DATA_DIR: dataDir };

  expect((await folder.tatara(["restore", "--check", stdout.trim()], { env })).code).toBe(0);
  expect(await readdir(dataDir)).toEqual(["cache"]);
  const restored = await folder.tatara(["restore", stdout.trim()], { env });
  expect(restored.code, restored.stderr).toBe(0);
});

test("a home that is not there yet is not made by looking at a backup", async () => {
  await using folder = await aBackupFolder();
  const { stdout } = await folder.tatara(["backup", join(folder.dir, "backups")]);
  const dataDir = join(folder.dir, "none");
  const env = { HOME: dataDir, TATARA_DATA_DIR: dataDir };

  expect((await folder.tatara(["restore", "--check", stdout.trim()], { env })).code).toBe(0);
  expect(await readdir(folder.dir)).not.toContain("none");
});

test("no cache is in a backup, nor does one that is there keep a restore away", async () => {
  await using folder = await aBackupFolder();
  const { dataDir } = folder;
  for (const cache of [".cache/tatara", "cache/node"]) {
    await mkdir(join(dataDir, cache), { recursive: true });
    await writeFile(join(dataDir, cache, "compiled"), "x");
  }
  // Its settings may be in a file that `bin/tatara` does not read.
  const into = join(folder.dir, "backups");
  const taken = await folder.tatara(["backup", into], { env: { HOME: dataDir } });
  const kept = await readdir(taken.stdout.trim());
  expect(kept).not.toContain(".cache");
  expect(kept).not.toContain("cache");

  const to = join(folder.dir, "to");
  await mkdir(join(to, ".cache/tatara"), { recursive: true });
  await writeFile(join(to, ".cache/tatara/compiled"), "x");
  const restored = await folder.tatara(["restore", into], { env: { TATARA_DATA_DIR: to } });
  expect(restored.code, restored.stderr).toBe(0);
});
