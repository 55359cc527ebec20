import { spawn } from "node:child_process";
import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";

/**
 * Locks an open file for this process until that is closed, or the process is gone: the command locks
 * the open file that it inherits, which is ours too. False: somebody else has it still after so long.
 */
export async function flock(
  file: FileHandle,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<boolean> {
  const child = spawn("flock", ["-w", String(waitSeconds), "3"], {
    stdio: ["ignore", "ignore", "ignore", file.fd],
    signal,
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code === 0;
}
