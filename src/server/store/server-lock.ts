import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdData, type DataLock } from "../../shared/data-lock.ts";
import { DatabaseUnusable } from "./inspect-database.ts";

/**
 * One server process per data folder. Throws `DatabaseUnusable` with the holder's name, and then
 * nothing was written.
 */
export function lockData(
  dataDir: string,
  { pid, now }: { readonly pid: number; readonly now: () => number },
): DataLock {
  const holderPath = join(dataDir, "server.pid");
  const lock = holdData(dataDir);
  if (lock === undefined) {
    throw new DatabaseUnusable(
      `${dataDir} is in use by another server (${holderOf(holderPath)}), or a backup is being ` +
        "restored into it. One server process owns a data folder. Nothing was written. Stop that " +
        "one, or set TATARA_DATA_DIR to another folder.",
    );
  }
  try {
    writeFileSync(holderPath, `${pid} ${new Date(now()).toISOString()}\n`);
  } catch {
    // On a full disk nobody can be told the holder's name; the lock holds all the same.
  }
  return lock;
}

function holderOf(path: string): string {
  try {
    const [pid = "?", since = "?"] = readFileSync(path, "utf8").trim().split(" ");
    return `process ${pid}, since ${since}`;
  } catch {
    return "process unknown";
  }
}
