import { readFile, stat } from "node:fs/promises";
import { boundedCache } from "./bounded-cache.ts";

/** Immutable files that are small and asked for often: indexes, signatures, ends and members. */
export interface SmallFiles {
  /** Undefined for a larger one, which is read from the disk in chunks. Throws what `stat` throws. */
  read(path: string): Promise<Buffer | undefined>;
}

export const SMALL_FILE_BYTES_MAX = 256 * 1_024;
const KEPT_BYTES_MAX = 64 * 2 ** 20;
/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 1_024;

export function openSmallFiles(): SmallFiles {
  const kept = boundedCache<Buffer | undefined>({
    weightMax: KEPT_BYTES_MAX,
    weigh: (bytes) => (bytes?.length ?? 0) + ENTRY_BYTES,
  });
  return { read: (path) => kept.get(path, () => readIfSmall(path)) };
}

async function readIfSmall(path: string): Promise<Buffer | undefined> {
  const { size } = await stat(path);
  return size <= SMALL_FILE_BYTES_MAX ? await readFile(path) : undefined;
}
