import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { InfraFault } from "../../src/domain/faults.ts";
import { syncPath } from "../../src/shared/durable.ts";
import { runCommand } from "./run-command.ts";

const SYNC_MS = 300_000;

/** Writes a new file; its bytes are on the disk when this returns, its name not yet for certain. */
export async function writeSynced(path: string, bytes: string | Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A crash can keep the rename and lose the bytes, so call this only with synced files. */
export async function renameSynced(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncPath(dirname(to));
}

/** Brings everything of a path's file system to the disk: worth it for many files at once. */
export async function syncFileSystem(path: string, signal: AbortSignal): Promise<void> {
  const options = { timeoutMs: SYNC_MS };
  const { code, stderr } = await runCommand("sync", ["--file-system", path], options, signal);
  if (code !== 0) throw new InfraFault("DISK_FULL", `The disk refused to write: ${stderr.trim()}`);
}
