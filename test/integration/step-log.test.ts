import { afterAll, beforeAll, expect, test } from "vitest";
import { startBuildRig } from "../support/build-rig.ts";
import type { BuildRig } from "../support/build-rig.ts";
import { realEngine } from "../support/engine-rig.ts";

const MIB = 1024 * 1024;

let rig: BuildRig;
beforeAll(async () => {
  rig = await startBuildRig(realEngine());
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

async function logOf(command: string): Promise<Buffer> {
  const files = { ".tatara.yml": "test: sh run.sh\n", "run.sh": `${command}\n` };
  const repo = await rig.repo({ ...files, Dockerfile: "FROM tatara/base:latest\n" });
  const told = await rig.run(rig.grantFor(await repo.commit({ note: "x" })));
  expect(told.end).toMatchObject({ state: "passed" });
  return told.logs.get("test") ?? Buffer.alloc(0);
}

test("a flood keeps its head and its tail, says what is missing, and the worker stays small", async () => {
  const before = process.memoryUsage().rss;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);

  const log = await logOf("seq -f '%015.0f' 1 20000000 | head -c 300000000; echo end");
  clearInterval(watch);

  const gap = Buffer.from(
    `\n[tatara: ${300_000_004 - 64 * MIB} bytes of this log were left out here]\n`,
  );
  expect(log.length).toBe(64 * MIB + gap.length);
  expect(log.subarray(0, 32).toString()).toBe("000000000000001\n000000000000002\n");
  expect(log.subarray(48 * MIB, 48 * MIB + gap.length).toString()).toBe(gap.toString());
  expect(log.subarray(-20).toString()).toBe("000000018750000\nend\n");
  // The test's own server keeps the log in memory as well, twice while it grows.
  expect((most - before) / MIB).toBeLessThan(500);
});

test("bytes of every kind and a line of 20 MB arrive as they were printed", async () => {
  const odd = "\\000\\377\\376\\303\\050\\r\\033[31m";

  const log = await logOf(
    `printf '${odd}\\n'; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last`,
  );

  const expected = Buffer.concat([
    Buffer.from([0, 255, 254, 0xc3, 0x28, 13, 27]),
    Buffer.from("[31m\n"),
    Buffer.alloc(20_000_000, "x"),
    Buffer.from("\nlast\n"),
  ]);
  expect(log.equals(expected)).toBe(true);
});
