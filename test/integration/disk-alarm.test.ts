import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openLogFile } from "../../src/cli/processes/log-file.ts";
import { openDiskAlarm } from "../../src/server/disk-alarm.ts";
import { diskHealth } from "../../src/server/disk-health.ts";
import { watchRoom } from "../../src/server/free-room.ts";

const run = promisify(execFile);

/** A disk of one MiB. */
async function aTinyDisk() {
  const dir = await mkdtemp(join(tmpdir(), "tatara-alarm-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tatara-test", dir]);
  const filler = join(dir, "filler");
  return {
    dir,
    fill: () => writeFile(filler, Buffer.alloc(2 ** 20, 1)).catch(() => undefined),
    free: () => rm(filler, { force: true }),
    [Symbol.asyncDispose]: async () => {
      await run("umount", ["--lazy", dir]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

test("what the disk refused is a problem while it lasts, and a warning for ten minutes", async () => {
  await using disk = await aTinyDisk();
  let now = 1_000_000;
  const alarm = openDiskAlarm({ dataDir: disk.dir, now: () => now });
  await disk.fill();

  const refused = await writeFile(join(disk.dir, "log"), Buffer.alloc(8_192)).catch(
    (err: unknown) => err,
  );
  const isNoted = alarm.note("a log's chunk", new Error("not stored", { cause: refused }));
  const during = await alarm.report();
  await disk.free();
  now += 2_000;
  const after = await alarm.report();
  now += 11 * 60_000;
  const later = await alarm.report();

  expect(isNoted).toBe(true);
  expect(during.problems.join()).toMatch(
    /takes no writes \(no space is left\).*a log's chunk: write .*\(ENOSPC\)\. Make room/,
  );
  expect(after.problems).toEqual([]);
  expect(after.warnings.join()).toMatch(/a log's chunk.*takes writes again/);
  expect(later).toEqual({ problems: [], warnings: [] });
});

test("what ended the process is told by its next life", async () => {
  await using disk = await aTinyDisk();
  const now = () => 5_000;
  const fault = Object.assign(new Error("disk I/O error"), { errcode: 10 | (3 << 8) });

  openDiskAlarm({ dataDir: disk.dir, now }).note("the database", fault);
  const { problems, warnings } = await openDiskAlarm({ dataDir: disk.dir, now }).report();

  expect(problems).toEqual([]);
  expect(warnings.join()).toMatch(/the database.*SQLITE_IOERR.*takes writes again/);
});

test("an error that is not the disk's is none of its business", async () => {
  await using disk = await aTinyDisk();
  const alarm = openDiskAlarm({ dataDir: disk.dir, now: () => 0 });

  expect(alarm.note("a request", new TypeError("x is not a function"))).toBe(false);
  expect(alarm.note("a request", Object.assign(new Error(), { code: "ENOTCONN" }))).toBe(false);
  expect(await alarm.report()).toEqual({ problems: [], warnings: [] });
});

test("a full disk costs the operator's log lines and nobody's life", async () => {
  await using disk = await aTinyDisk();
  const log = openLogFile(join(disk.dir, "server.log"), () => undefined);
  await disk.fill();

  expect(() => {
    for (let line = 0; line < 2_000; line += 1) log.append(`a line of the log ${line}`);
    log.catchUp();
  }).not.toThrow();
  log.close();
});

test("the floor of free room is the operator's to set", async () => {
  await using disk = await aTinyDisk();
  const now = () => 0;

  expect(await watchRoom(disk.dir, 0, now)()).toBe(true);
  expect(await watchRoom(disk.dir, 2, now)()).toBe(false);
});

test("who comes near the floor is warned, on a large disk too, and nothing is refused yet", async () => {
  await using disk = await aTinyDisk();
  const alarm = openDiskAlarm({ dataDir: disk.dir, now: () => 1 });
  const health = (freeDiskMinMib: number) =>
    diskHealth(
      { dataDir: disk.dir, freeDiskMinMib, hasRoom: () => Promise.resolve(true), disk: alarm },
      true,
    );

  const [far, near] = [await health(0.4), await health(0.6)];

  expect(far).toEqual({ problems: [], warnings: [] });
  expect(near).toEqual({ problems: [], warnings: [expect.stringMatching(/below 0\.6 MiB/)] });
});
