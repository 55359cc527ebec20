import { readHolder, writeHolder } from "../../shared/data-holder.ts";
import { holdData, type DataLock } from "../../shared/data-lock.ts";
import { DatabaseUnusable } from "./inspect-database.ts";

export interface ServerLock extends DataLock {
  /** Says in the folder where its server listens, for the command line. */
  tellAddress(url: string): void;
}

/**
 * One server process per data folder. Throws `DatabaseUnusable` with the holder's name, and then
 * nothing was written.
 */
export function lockData(
  dataDir: string,
  { pid, now }: { readonly pid: number; readonly now: () => number },
): ServerLock {
  const lock = holdData(dataDir);
  if (lock === undefined) {
    const holder = readHolder(dataDir);
    const who = holder === undefined ? "unknown" : `${holder.pid}, since ${holder.since}`;
    throw new DatabaseUnusable(
      `${dataDir} is in use by another server (process ${who}), or a backup is being ` +
        "restored into it. One server process owns a data folder. Nothing was written. Stop that " +
        "one, or set TATARA_DATA_DIR to another folder.",
    );
  }
  const holder = { pid, since: new Date(now()).toISOString() };
  writeHolder(dataDir, holder);
  return { ...lock, tellAddress: (url) => writeHolder(dataDir, { ...holder, url }) };
}
