import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DatabaseUnusable } from "./inspect-database.ts";

/** A holder that was killed this very moment still has its lock. */
const DYING_MS = 1_000;
/** SQLite's code. */
const BUSY = 5;

export interface ServerLock {
  release(): void;
}

/**
 * One server process per data folder. The lock is SQLite's own on a file that stays empty: the kernel
 * drops it when its holder is gone, so a kill -9 leaves nothing stale. Throws `DatabaseUnusable` with
 * the holder's name, and then nothing was written.
 */
export function lockData(
  dataDir: string,
  { pid, now }: { readonly pid: number; readonly now: () => number },
): ServerLock {
  const path = join(dataDir, "server.lock");
  const holderPath = join(dataDir, "server.pid");
  const lock = new DatabaseSync(path, { timeout: DYING_MS });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (err) {
    lock.close();
    const { errcode } = (err ?? {}) as { readonly errcode?: unknown };
    if (errcode !== BUSY) throw err;
    throw new DatabaseUnusable(
      `${dataDir} is in use by another server (${holderOf(holderPath)}). One server process owns a ` +
        "data folder. Nothing was written. Stop that one, or set TATARA_DATA_DIR to another folder.",
      err,
    );
  }
  try {
    writeFileSync(holderPath, `${pid} ${new Date(now()).toISOString()}\n`);
  } catch {
    // On a full disk nobody can be told the holder's name; the lock holds all the same.
  }
  return { release: () => lock.close() };
}

function holderOf(path: string): string {
  try {
    const [pid = "?", since = "?"] = readFileSync(path, "utf8").trim().split(" ");
    return `process ${pid}, since ${since}`;
  } catch {
    return "process unknown";
  }
}
