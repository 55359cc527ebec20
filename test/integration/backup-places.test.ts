import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFile,
  chmod,
  chown,
  cp,
  mkdir,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { lockDataDir } from "../../src/cli/processes/lock.ts";
import { aBackupFolder, type BackupFolder } from "../support/backup-folder.ts";

const SERVER = resolve(import.meta.dirname, "../../src/server/main.ts");
const NOBODY = 65_534;
const never = new AbortController().signal;

async function takenIn(folder: BackupFolder): Promise<string> {
  const { code, stdout, stderr } = await folder.tatara(["backup", join(folder.dir, "backups")]);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

/** One or two lines, and no line of a trace. */
function expectOneSentence(stderr: string): void {
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m);
  expect(stderr.trim().split("\n")).toHaveLength(2);
}

test("a backup folder inside the data folder is refused, by whatever name", async () => {
  await using folder = await aBackupFolder();
  const link = join(folder.dir, "link");
  await symlink(folder.dataDir, link);

  for (const into of [folder.dataDir, join(folder.dataDir, "a/b"), join(link, "backups")]) {
    const { code, stderr } = await folder.tatara(["backup", into]);
    expect({ into, code, stderr }).toEqual({
      into,
      code: 2,
      stderr: expect.stringContaining("the backup folder is inside the data folder"),
    });
    expect(stderr).toContain("choose another disk");
  }
  expect(await readdir(folder.dataDir)).not.toContain("a");
});

test("a file, a read-only place, a strange one: each is said in a sentence, and at once", async () => {
  await using folder = await aBackupFolder();
  const file = join(folder.dir, "file");
  await writeFile(file, "");
  const readOnly = join(folder.dir, "read-only");
  await mkdir(readOnly);
  execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tatara-test", readOnly]);
  try {
    const places: readonly (readonly [string, string])[] = [
      [file, `${file} is not a folder`],
      [join(file, "below"), "is not a folder, or is below a file"],
      [readOnly, "is on a read-only file system"],
      [join(readOnly, "below"), "is on a read-only file system"],
      ["/proc/x", "no folder can be made at /proc/x"],
    ];
    for (const [place, why] of places) {
      const { code, stderr } = await folder.tatara(["backup", place]);
      expect({ place, code, stderr }).toEqual({
        place,
        code: 2,
        stderr: expect.stringContaining(why),
      });
      expect(stderr).toContain("choose another folder");
      expectOneSentence(stderr);
    }
  } finally {
    execFileSync("umount", [readOnly]);
  }
});

test("what a user may not write or read is said with the command that lets him", async () => {
  await using folder = await aBackupFolder();
  const into = join(folder.dir, "backups");
  const before = await folder.tatara(["backup", into], { user: NOBODY });
  expect(before.code).toBe(2);
  expectOneSentence(before.stderr);

  execFileSync("chown", ["-R", `${NOBODY}:${NOBODY}`, folder.dataDir]);
  await mkdir(into, { mode: 0o755 });
  const closed = await folder.tatara(["backup", into], { user: NOBODY });
  expect(closed.code).toBe(2);
  expect(closed.stderr).toContain(`user ${NOBODY} may not write to ${into}`);
  expect(closed.stderr).toContain(`install -d -o ${NOBODY} -m 0700 ${into}`);
  expectOneSentence(closed.stderr);

  await chown(into, NOBODY, NOBODY);
  await chown(join(folder.dataDir, "logs"), 0, 0);
  const unread = await folder.tatara(["backup", into], { user: NOBODY });
  expect(unread.code).toBe(2);
  expect(unread.stderr).toContain(`may not read ${join(folder.dataDir, "logs")}`);
  expectOneSentence(unread.stderr);
  expect(await readdir(into)).toEqual([]);
});

test("on a full disk it says which one, and leaves nothing half there", async () => {
  await using folder = await aBackupFolder();
  const disk = join(folder.dir, "disk");
  await mkdir(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tatara-test", disk]);
  try {
    const database = await folder.tatara(["backup", disk]);
    expect(database.code).toBe(5);
    expect(database.stderr).toContain(`the disk of ${disk} is full`);
    expect(await readdir(disk)).toEqual([]);

    execFileSync("mount", ["-o", "remount,size=2m", disk]);
    for (const name of ["one", "two", "three"]) {
      await writeFile(join(folder.dataDir, "logs", name), Buffer.alloc(1024 * 1024));
    }
    const files = await folder.tatara(["backup", disk]);
    expect(files.code).toBe(5);
    expect(files.stderr).toContain(`the disk of ${disk} is full`);
    expectOneSentence(files.stderr);
    expect(await readdir(disk)).toEqual([]);
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("a folder that a Tatara runs on is not for moving away: its process is named", async () => {
  await using folder = await aBackupFolder();
  const backup = await takenIn(folder);
  const token = (): string =>
    "0123456789abcdef0123456789abcdef".replace("0", String(Math.random()));
  const server = spawn(process.execPath, [SERVER], {
    env: {
      PATH: process.env["PATH"],
      TATARA_DATA_DIR: folder.dataDir,
      TATARA_REDIS_URL: "redis://127.0.0.1:9",
      TATARA_PORT: "0",
      TATARA_ADMIN_TOKEN: token(),
      TATARA_BUILD_TOKEN: token(),
      TATARA_PUBLISH_TOKEN: token(),
      TATARA_REPORT_TOKEN: token(),
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    for await (const line of createInterface({ input: server.stdout })) if (line !== "") break;
    const running = await folder.tatara(["restore", backup]);
    expect(running.code).toBe(2);
    const who = `Tatara runs on ${folder.dataDir} (process ${server.pid}): stop it first.`;
    expect(running.stderr).toContain(who);
  } finally {
    server.kill("SIGKILL");
    await once(server, "exit");
  }
  const supervisor = await lockDataDir(folder.dataDir, never);
  const supervised = await folder.tatara(["restore", backup]);
  await supervisor.release();
  expect(supervised.stderr).toContain(`(process ${process.pid}): stop it first.`);
  // Nothing runs on it any more.
  expect((await folder.tatara(["restore", backup])).stderr).toContain("is not empty: it has ");
});

test("restored folders are as closed as they were", async () => {
  await using folder = await aBackupFolder();
  const backup = await takenIn(folder);
  const there = join(folder.dir, "there");
  await mkdir(there, { mode: 0o755 });
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

  for (const dataDir of [there, join(folder.dir, "new")]) {
    const { code } = await folder.tatara(["restore", backup], {
      env: { TATARA_DATA_DIR: dataDir },
    });
    expect(code).toBe(0);
    const names = ["", "keys", "git/acme/tiny.git", "logs/b-1", "yum", "yum/keys"];
    const modes = names.map(async (name) => [name, await modeOf(join(dataDir, name))] as const);
    expect(Object.fromEntries(await Promise.all(modes))).toEqual({
      "": "700",
      keys: "700",
      "git/acme/tiny.git": "700",
      "logs/b-1": "700",
      yum: "755",
      "yum/keys": "755",
    });
  }
  // One that others pass through is so again.
  await chmod(folder.dataDir, 0o711);
  const open = await takenIn(folder);
  const dataDir = join(folder.dir, "open");
  await folder.tatara(["restore", open], { env: { TATARA_DATA_DIR: dataDir } });
  expect(await modeOf(dataDir)).toBe("711");
  expect(await modeOf(join(dataDir, "keys"))).toBe("700");
});

test("a restore into a place that cannot be says so in a sentence", async () => {
  await using folder = await aBackupFolder();
  const backup = await takenIn(folder);
  const restored = await folder.tatara(["restore", backup], {
    env: { TATARA_DATA_DIR: "/proc/x" },
  });

  expect(restored.code).toBe(2);
  expect(restored.stderr).toContain("no folder can be made at /proc/x");
  expectOneSentence(restored.stderr);
});

test("a backup that this user may not read is not called missing", async () => {
  await using folder = await aBackupFolder();
  const backup = await takenIn(folder);
  const closed = join(folder.dir, "backups");
  for (const given of [closed, backup]) {
    const { code, stderr } = await folder.tatara(["restore", "--check", given], { user: NOBODY });
    expect(code).toBe(2);
    expect(stderr).toContain(`user ${NOBODY} may not read ${given}`);
    expectOneSentence(stderr);
  }
});

test("after a damaged restore it says that no server starts, and the way out works", async () => {
  await using folder = await aBackupFolder();
  const backup = await takenIn(folder);
  const broken = join(folder.dir, "broken");
  await cp(backup, broken, { recursive: true });
  await appendFile(join(broken, "logs/b-1/test.log"), "x");
  const dataDir = join(folder.dir, "half");
  const env = { TATARA_DATA_DIR: dataDir };
  const refused = await folder.tatara(["restore", broken], { env });

  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("No server starts on this half.");
  expect(refused.stderr).toContain(`empty ${dataDir}`);
  await rm(dataDir, { recursive: true });
  await mkdir(dataDir);
  expect((await folder.tatara(["restore", backup], { env })).code).toBe(0);
});
