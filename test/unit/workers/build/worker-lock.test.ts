import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockWorker } from "../../../../workers/build/worker-lock.ts";

const never = new AbortController().signal;

test("one process works under a worker's name; the next one may when that is gone", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-worker-lock-"));
  try {
    const first = await lockWorker(dir, { pid: 4711, waitSeconds: 0 }, never);

    const second = lockWorker(dir, { pid: 4712, waitSeconds: 0 }, never);
    await expect(second).rejects.toThrow(/in use by another build worker \(process 4711\)/);
    await first.release();

    const third = await lockWorker(dir, { pid: 4713, waitSeconds: 0 }, never);
    await third.release();
  } finally {
    await rm(dir, { recursive: true });
  }
});
