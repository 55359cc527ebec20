import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execFileAsync = promisify(execFile);
const OUTPUT_MAX = 64 * 1024 * 1024;

/** Runs a program with these arguments; returns what it printed, throws when it fails. */
export async function runToItsEnd(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execFileAsync(program, args, { maxBuffer: OUTPUT_MAX });
  return stdout;
}
