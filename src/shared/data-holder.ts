import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILE = "server.pid";

/** The server that holds a data folder, as it says there; the lock, not this, keeps others out. */
export interface DataHolder {
  readonly pid: number;
  readonly since: string;
  /** As this machine reaches it; undefined: it does not listen yet. */
  readonly url?: string | undefined;
}

export function writeHolder(dataDir: string, { pid, since, url }: DataHolder): void {
  try {
    writeFileSync(
      join(dataDir, FILE),
      `${[pid, since, ...(url === undefined ? [] : [url])].join(" ")}\n`,
    );
  } catch {
    // On a full disk nobody can be told the holder's name; the lock holds all the same.
  }
}

/** The last that there was, dead or alive. */
export function readHolder(dataDir: string): DataHolder | undefined {
  try {
    const [pid = "?", since = "?", url] = readFileSync(join(dataDir, FILE), "utf8")
      .trim()
      .split(" ");
    return { pid: Number(pid), since, url };
  } catch {
    return undefined;
  }
}
