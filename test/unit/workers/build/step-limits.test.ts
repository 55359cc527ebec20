import { expect, test } from "vitest";
import { containerFailure } from "../../../../workers/build/container-failure.ts";
import { boundLimits } from "../../../../workers/build/step-limits.ts";

const GIB = 2 ** 30;
const MOST = {
  memoryBytes: 4 * GIB,
  cpus: 2,
  pids: 512,
  diskBytes: 20 * GIB,
  timeoutMs: 6 * 3_600_000,
  idleTimeoutMs: 3_600_000,
};

test("a step has what its file says, up to what the worker allows, and hears of the rest", () => {
  const { limits, warnings } = boundLimits(
    {
      resources: { cpus: 1, memoryBytes: 8 * GIB, pids: 100, diskBytes: 10 * GIB },
      timeoutMs: 600_000,
      idleTimeoutMs: 7_200_000,
    },
    MOST,
  );

  expect(limits).toEqual({
    memoryBytes: 4 * GIB,
    cpus: 1,
    pids: 100,
    diskBytes: 10 * GIB,
    timeoutMs: 600_000,
    idleTimeoutMs: 3_600_000,
  });
  expect(warnings).toEqual([
    "resources.memory is more than this worker allows: 4 GiB is used.",
    "idle-timeout is more than this worker allows: 60 min is used.",
  ]);
});

test.each([
  [{ how: "out-of-memory" }, "OUT_OF_MEMORY", "unit used its 4 GiB of memory", "memory: 8g"],
  [{ how: "over-time" }, "STEP_TIMEOUT", "unit ran longer than 360 min", "`timeout`"],
  [{ how: "silent" }, "STEP_SILENT", "unit printed nothing for 60 min", "`idle-timeout`"],
  [{ how: "over-disk" }, "DISK_LIMIT", "unit wrote more than its 20 GiB of disk", "resources.disk"],
  [{ how: "exited", code: 127 }, "STEP_FAILED", "unit exited 127", "not found in the image"],
] as const)("%j is a failure with the key to raise", (end, code, message, hint) => {
  const failure = containerFailure("unit", end, MOST);

  expect(failure).toMatchObject({ code, message });
  expect(failure?.hint).toContain(hint);
});
