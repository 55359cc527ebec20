import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** A holder that was killed this very moment still has its lock. */
const DYING_MS = 1_000;
/** SQLite's code. */
const BUSY = 5;
const DATA_LOCK = "server.lock";
/** What the lock leaves in the folder: nothing that says anything. */
export const DATA_LOCK_FILES: readonly string[] = [DATA_LOCK, `${DATA_LOCK}-journal`];

export interface DataLock {
  release(): void;
}

/**
 * A data folder belongs to one server, or to one restore. The lock is SQLite's own on a file that stays
 * empty: the kernel drops it when its holder is gone, so a kill -9 leaves nothing stale. Undefined:
 * somebody else has it.
 */
export function holdData(dataDir: string): DataLock | undefined {
  const lock = new DatabaseSync(join(dataDir, DATA_LOCK), { timeout: DYING_MS });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (err) {
    lock.close();
    const { errcode } = (err ?? {}) as { readonly errcode?: unknown };
    if (errcode !== BUSY) throw err;
    return undefined;
  }
  return { release: () => lock.close() };
}
