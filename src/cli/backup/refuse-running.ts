import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readHolder } from "../../shared/data-holder.ts";
import { DATA_LOCK_FILES, holdData } from "../../shared/data-lock.ts";
import { flock } from "../../shared/flock.ts";
import { CommandError, EXIT } from "../exit-codes.ts";

/** Throws a `CommandError` with the process that works in a data folder now. */
export async function refuseRunning(dataDir: string, signal: AbortSignal): Promise<void> {
  const holder = (await supervisorOf(dataDir, signal)) ?? (await serverOf(dataDir));
  if (holder === undefined) return;
  const hint = "or set TATARA_DATA_DIR to an empty folder";
  const message = `Tatara runs on ${dataDir} (process ${holder}): stop it first.`;
  throw new CommandError(EXIT.usage, message, hint);
}

/** The lock file has its holder's number. */
async function supervisorOf(dataDir: string, signal: AbortSignal): Promise<string | undefined> {
  const file = await open(join(dataDir, "supervisor.lock")).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    if (await flock(file, 0, signal)) return undefined;
    return (await file.readFile("utf8")).trim();
  } finally {
    await file.close();
  }
}

async function serverOf(dataDir: string): Promise<string | undefined> {
  const holder = readHolder(dataDir);
  const [lockFile = ""] = DATA_LOCK_FILES;
  const isThere = await readFile(join(dataDir, lockFile)).then(
    () => true,
    () => false,
  );
  if (holder === undefined || !isThere) return undefined;
  const lock = holdData(dataDir);
  lock?.release();
  return lock === undefined ? String(holder.pid) : undefined;
}
