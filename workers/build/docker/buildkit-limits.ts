import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildLimits } from "./build-plan.ts";

const CGROUPS = "/sys/fs/cgroup";
/** Below the engine's own parent BuildKit makes a cgroup for each `RUN`, without any limit. */
const BUILDKIT_CGROUP = "docker/buildkit";

/**
 * BuildKit takes no limits of one build (moby 45796), so all of this engine's builds together get a
 * limit of as many times one build's share as there are builds now, and none once there are none:
 * other people may build on it. That needs to be the engine's own machine, and the right to write
 * there; false where it is not.
 */
export async function limitBuildKit(
  { memoryBytes, cpus }: BuildLimits,
  count: number,
  root = CGROUPS,
): Promise<boolean> {
  const bytes = count === 0 ? undefined : String(memoryBytes * count);
  const quotaUs = count === 0 ? undefined : String(Math.round(cpus * count * 100_000));
  const first = join(root, "memory", BUILDKIT_CGROUP);
  // Memory with swap may never be less than memory alone; not every kernel counts swap.
  await write(first, "memory.memsw.limit_in_bytes", "-1");
  if (await write(first, "memory.limit_in_bytes", bytes ?? "-1")) {
    await write(first, "memory.memsw.limit_in_bytes", bytes ?? "-1");
    await write(join(root, "cpu", BUILDKIT_CGROUP), "cpu.cfs_quota_us", quotaUs ?? "-1");
    return true;
  }
  const second = join(root, BUILDKIT_CGROUP);
  if (!(await write(second, "memory.max", bytes ?? "max"))) return false;
  await write(second, "memory.swap.max", bytes === undefined ? "max" : "0");
  await write(second, "cpu.max", `${quotaUs ?? "max"} 100000`);
  return true;
}

async function write(folder: string, name: string, value: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), value, { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}
