import { lstat, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isAlive, startOf } from "../processes/is-alive.ts";
import { DataDirInUse, lockDataDir } from "../processes/lock.ts";
import { removeOwn } from "./remove-own.ts";

export const DEMO_FOLDER = "tatara-demo-";
const OWNER = "owner";

/** Says whose folder this is: once that process is gone, the next demo may remove it. */
export async function ownFolder(dir: string): Promise<void> {
  await writeFile(join(dir, OWNER), `${process.pid} ${startOf(process.pid) ?? ""}\n`);
}

/** From now on it belongs to whoever wants to look at it, and stays. */
export async function disownFolder(dir: string): Promise<void> {
  await rm(join(dir, OWNER), { force: true });
}

/**
 * Removes what killed demos left: their folders in `parent`, and what their workers kept on the engine.
 * A folder without an owner is left alone, and so is that of a demo whose processes still end.
 */
export async function removeAbandoned(
  parent: string,
  dockerHost: string,
  signal: AbortSignal,
): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(DEMO_FOLDER))) {
    const dir = join(parent, name);
    if (await isAbandoned(dir)) await remove(dir, dockerHost, signal);
  }
}

async function isAbandoned(dir: string): Promise<boolean> {
  const found = await lstat(dir).catch(() => undefined);
  // Anybody may make such a name in a folder for all.
  if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) return false;
  const text = await readFile(join(dir, OWNER), "utf8").catch(() => "");
  const [, pid = "", start = ""] = /^(\d+) (\d+)\n$/.exec(text) ?? [];
  if (pid === "") return false;
  return !isAlive(Number(pid)) || startOf(Number(pid)) !== start;
}

async function remove(dir: string, dockerHost: string, signal: AbortSignal): Promise<void> {
  const dataDir = join(dir, "data");
  try {
    // Its server and workers outlive a killed demo by a moment.
    const lock = await lockDataDir(dataDir, signal);
    try {
      await removeOwn(dataDir, dockerHost);
      await rm(dir, { recursive: true, force: true });
    } finally {
      await lock.release();
    }
  } catch (err) {
    if (!(err instanceof DataDirInUse)) throw err;
  }
}
