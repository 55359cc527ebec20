import type { JobRecord } from "../job-record.ts";
import type { KeptCopy } from "./job-kept.ts";

/** Thousands of small files would take their time one after the other. */
const AT_ONCE = 8;

/** Sends the bytes of what a step keeps to the server. Throws the first error, once none is under way. */
export async function uploadKept(
  files: readonly KeptCopy[],
  record: Pick<JobRecord, "upload">,
): Promise<void> {
  const waiting = new Map(files.map(({ sha256, diskPath }) => [sha256, diskPath])).entries();
  const lane = async (): Promise<void> => {
    for (const [sha256, path] of waiting) await record.upload({ sha256, path });
  };
  const lanes = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
  for (const ended of lanes) if (ended.status === "rejected") throw ended.reason;
}
