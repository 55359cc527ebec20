import { execFile } from "node:child_process";
import { mkdtemp, rm, statfs, writeFile, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { tinyRepo } from "../support/sample-files.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const MIB = 2 ** 20;
const DISK_MIB = 400;
const FLOOR_MIB = 64;

/** A disk of our own, small enough to be filled, with the folders of everything that is started. */
async function aSmallDisk() {
  const dir = await mkdtemp(join(tmpdir(), "tatara-full-"));
  await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tatara-test", dir]);
  const filler = join(dir, "filler");
  return {
    dir,
    /** Leaves so much free. */
    leave: async (freeMib: number): Promise<void> => {
      const { bavail, bsize } = await statfs(dir);
      const file = await open(filler, "a");
      try {
        await file.write(Buffer.alloc(Math.max(0, bavail * bsize - freeMib * MIB), 1));
      } finally {
        await file.close();
      }
    },
    /** Not a byte. */
    fill: async (): Promise<void> => {
      const rest = join(dir, "rest");
      for (;;) {
        const isFull = await writeFile(rest, Buffer.alloc(4_096, 1), { flag: "a" }).then(
          () => false,
          () => true,
        );
        if (isFull) return;
      }
    },
    free: async (): Promise<void> => {
      for (const name of ["filler", "rest"]) await rm(join(dir, name), { force: true });
    },
    [Symbol.asyncDispose]: async () => {
      await run("umount", ["--lazy", dir]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function health(tatara: Tatara) {
  const response = await fetch(`${tatara.url}/healthz`);
  const { status, problems, warnings } = (await response.json()) as {
    status: string;
    problems: readonly string[];
    warnings: readonly string[];
  };
  return { code: response.status, status, problems: problems.join("\n"), warnings };
}

async function isTaken(push: () => Promise<string>): Promise<boolean> {
  return await push().then(
    () => true,
    () => false,
  );
}

test("a disk that fills to the brim costs no accepted push, and needs nobody when room returns", async () => {
  await using disk = await aSmallDisk();
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = disk.dir;
  try {
    await using tatara = await startTatara({
      // The workers' own floor is meant for the engine's disk, which is not this one.
      env: { TATARA_FREE_DISK_MIN_MIB: String(FLOOR_MIB), TATARA_DISK_FLOOR_MIB: "0" },
    });
    const slow = await tatara.createRepo("full/slow", tinyRepo({ name: "tiny-slow", test: LINES }));
    const late = await tatara.createRepo("full/late", tinyRepo({ name: "tiny-late" }));
    await slow.push();
    await until(async () => (await tatara.build("full/slow#1")).state, "running", START);

    await disk.leave(DISK_MIB * 0.18);
    expect((await health(tatara)).warnings.join("\n")).toMatch(/is 8\d % full/);

    await disk.leave(FLOOR_MIB / 2);
    await until(async () => (await health(tatara)).code, 503);
    expect((await health(tatara)).problems).toMatch(/less than 64 MiB: pushes are refused/);
    expect(await isTaken(() => late.push())).toBe(false);

    // The build that runs meets a disk without a byte.
    await disk.leave(0);
    await disk.fill();
    await until(async () => (await health(tatara)).problems.includes("refused"), true);
    expect(await isTaken(() => late.push())).toBe(false);

    await disk.free();
    await until(async () => (await health(tatara)).code, 200);
    expect(await isTaken(() => late.push())).toBe(true);
    const build = await tatara.until("full/slow#1", "passed");
    await tatara.until("full/late#1", "passed");

    const lines = (await tatara.log(build.id, "test")).match(/^line \d+$/gm) ?? [];
    expect(lines).toEqual(Array.from({ length: 80 }, (_none, index) => `line ${index + 1}`));
    for (const name of ["server", "build", "publish", "report"] as const) {
      expect([name, tatara.supervisor.restartCount(name)]).toEqual([name, 0]);
    }
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
});

/** Of a container, on a machine that others use too. */
const START = { deadlineMs: 300_000, everyMs: 50 };
const LINES = 'i=0; while [ $i -lt 80 ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done';
