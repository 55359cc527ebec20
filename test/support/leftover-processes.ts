import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "../../src/cli/processes/is-alive.ts";

/** Living processes, but for this one, whose command line or environment names the folder. */
export async function processesThatMention(folder: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => describe(Number(pid), folder)));
  return found.filter((line) => line !== undefined);
}

async function describe(pid: number, folder: string): Promise<string | undefined> {
  if (pid === process.pid) return undefined;
  const read = (name: string) => readFile(join("/proc", String(pid), name), "utf8").catch(() => ""); // Gone, or not ours.
  const [command, environment] = await Promise.all([read("cmdline"), read("environ")]);
  if (!`${command}\0${environment}`.includes(folder) || !isAlive(pid)) return undefined;
  return `process ${pid}: ${command.replaceAll("\0", " ").trim()}`;
}
