import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ProcessView } from "./world.ts";

const KIB = 1_024;
/** What a process is called, by the program that it runs. */
const PROGRAMS = {
  server: /src\/server\/main\.ts$/,
  build: /workers\/build\/main\.ts$/,
  publish: /workers\/publish\/main\.ts$/,
  report: /workers\/report\/main\.ts$/,
} as const;

export interface OwnProcess extends ProcessView {
  /** As it was told at its start. */
  readonly redisUrl: string | undefined;
  readonly dockerHost: string | undefined;
}

/** The processes of this machine that work in a data folder, whoever started them. */
export async function processesOf(dataDir: string): Promise<readonly OwnProcess[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => readProcess(Number(pid), resolve(dataDir))));
  return found.filter((one) => one !== undefined);
}

/** Undefined: another program, another folder's, or not ours to look at. */
async function readProcess(pid: number, dataDir: string): Promise<OwnProcess | undefined> {
  try {
    const line = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    const name = Object.entries(PROGRAMS).find(([, program]) =>
      line.some((part) => program.test(part)),
    )?.[0];
    if (name === undefined || line[0]?.endsWith("setpriv") === true) return undefined;
    const env = await environmentOf(pid);
    const folder = env.get("TATARA_DATA_DIR");
    if (folder === undefined || resolve(folder) !== dataDir) return undefined;
    const redisUrl = env.get("TATARA_REDIS_URL");
    const dockerHost = env.get("DOCKER_HOST");
    return { name, pid, redisUrl, dockerHost, ...(await usageOf(pid)) };
  } catch {
    return undefined;
  }
}

async function environmentOf(pid: number): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(`/proc/${pid}/environ`, "utf8");
  return new Map(
    text.split("\0").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    }),
  );
}

/** What a process uses now. Throws when it is gone. */
export async function usageOf(pid: number) {
  const [status, limits, files] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readFile(`/proc/${pid}/limits`, "utf8"),
    readdir(`/proc/${pid}/fd`),
  ]);
  return {
    rssBytes: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * KIB,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 0),
    openFiles: files.length,
    openFilesMax: Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.MAX_SAFE_INTEGER),
  };
}
