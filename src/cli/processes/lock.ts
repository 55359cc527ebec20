import { open, readFile, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../shared/config.ts";
import { makeFolder } from "../../shared/durable.ts";
import { flock } from "../../shared/flock.ts";
import { isAlive } from "./is-alive.ts";

/** The children of a supervisor that was killed end within this time. */
const ENDING_MAX_SECONDS = 20;

const DYING_SECONDS = 1;

/** Another supervisor works in this folder. */
export class DataDirInUse extends Error {
  override readonly name = "DataDirInUse";
}

export interface DataDirLock {
  /** Children inherit it: the lock lives as long as the last process that holds it. */
  readonly fd: number;
  release(): Promise<void>;
}

/**
 * One Tatara per data folder. The kernel drops the lock when its last holder is gone, so a kill -9
 * leaves nothing stale, and a new supervisor waits until the killed one's children have ended.
 */
export async function lockDataDir(dataDir: string, signal: AbortSignal): Promise<DataDirLock> {
  await makeDataDir(dataDir);
  const path = join(dataDir, "supervisor.lock");
  const file = await open(path, "a", 0o600);
  try {
    await lock(file, path, { dataDir, signal });
    await writeFile(path, `${process.pid}\n`);
  } catch (err) {
    await file.close();
    throw err;
  }
  return { fd: file.fd, release: () => file.close() };
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await makeFolder(dataDir, 0o700);
  } catch (err) {
    const code = err instanceof Error && "code" in err ? String(err.code) : String(err);
    const isFile = code === "EEXIST" || code === "ENOTDIR";
    const why = isFile ? "this is a file, or lies in one" : `it cannot be made (${code})`;
    throw new ConfigError([`TATARA_DATA_DIR=${dataDir}: ${why}. A folder is expected`]);
  }
}

async function lock(
  file: FileHandle,
  path: string,
  { dataDir, signal }: { readonly dataDir: string; readonly signal: AbortSignal },
): Promise<void> {
  // A holder that was killed this very moment still looks alive; give the kernel a second.
  if (await flock(file, DYING_SECONDS, signal)) return;
  const holder = Number(await readFile(path, "utf8"));
  if (!isAlive(holder) && (await flock(file, ENDING_MAX_SECONDS, signal))) return;
  throw new DataDirInUse(
    `${dataDir} is in use by another Tatara (process ${holder}). ` +
      "Stop that one, or set TATARA_DATA_DIR to another folder.",
  );
}
