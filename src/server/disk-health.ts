import type { DiskAlarm } from "./disk-alarm.ts";
import { lookAtRoom } from "./free-room.ts";

/** Early enough to buy a disk before the floor is reached. */
const USED_SHARE_ALARM = 0.8;
/** A large disk is at its floor long after that, a small one long before. */
const NEAR_FLOOR = 2;

export interface DiskHealth {
  /** What makes this server refuse work, each with what to do about it. */
  readonly problems: readonly string[];
  /** What an operator should know in time. */
  readonly warnings: readonly string[];
}

export interface DiskHealthDeps {
  readonly dataDir: string;
  /** `TATARA_FREE_DISK_MIN_MIB`. */
  readonly freeDiskMinMib: number;
  readonly hasRoom: () => Promise<boolean>;
  readonly disk: Pick<DiskAlarm, "report">;
}

/**
 * What stands still for want of a disk, and what will: for `/healthz` and for pages. Where the data is,
 * strangers need not know.
 */
export async function diskHealth(
  { dataDir, freeDiskMinMib, hasRoom, disk }: DiskHealthDeps,
  namesFolder: boolean,
): Promise<DiskHealth> {
  const place = namesFolder ? `the disk with ${dataDir}` : "the disk with the data";
  const { problems, warnings } = await disk.report();
  const { freeBytes, usedShare } = await lookAtRoom(dataDir);
  if (!(await hasRoom())) {
    const free = Math.floor((freeBytes ?? 0) / 2 ** 20);
    const problem =
      `${free} MiB are free on ${place}, less than ${freeDiskMinMib} MiB: pushes are ` +
      "refused and nothing begins. Make room; all goes on by itself then.";
    return { problems: [problem, ...problems], warnings };
  }
  const isNearFloor = (freeBytes ?? Infinity) < NEAR_FLOOR * freeDiskMinMib * 2 ** 20;
  const isNearlyFull = usedShare !== undefined && usedShare >= USED_SHARE_ALARM;
  if (!isNearFloor && !isNearlyFull) return { problems, warnings };
  const free = Math.floor((freeBytes ?? 0) / 2 ** 20);
  const warning =
    `${place} is ${Math.floor((usedShare ?? 0) * 100)} % full, ${free} MiB are free; below ` +
    `${freeDiskMinMib} MiB pushes are refused. Make room in time: docs/how-to/disk.md says how.`;
  return { problems, warnings: [warning, ...warnings] };
}
