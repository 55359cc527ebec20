import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { processEnv } from "../../src/shared/config.ts";
import { until } from "./until.ts";

const TATARA = join(import.meta.dirname, "../../bin/tatara");
const LINE_DEADLINE_MS = 300_000;

/** `bin/tatara up` as a person starts it, on a free port. */
export function startUp(
  dataDir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(TATARA, ["up", ...args], {
    env: {
      PATH: processEnv()["PATH"],
      HOME: processEnv()["HOME"],
      LANG: "C.UTF-8",
      TATARA_PORT: "0",
      TATARA_DATA_DIR: dataDir,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let complaints = "";
  // What it printed has been read by then, which an exit does not say.
  const closed = once(child, "close");
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  return {
    child,
    /** Its exit status, once it has ended by itself. */
    end: async (): Promise<number | null> => {
      await closed;
      return child.exitCode;
    },
    lines: () => lines,
    complaints: () => complaints,
    lineLike: async (pattern: RegExp): Promise<string> => {
      const found = () => lines.map((line) => pattern.exec(line)?.[1]).find(Boolean);
      await until(() => found() !== undefined, true, { deadlineMs: LINE_DEADLINE_MS });
      return found() ?? "";
    },
  };
}

/** A data folder that goes when the test is over. */
export async function upFolder() {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-up-"));
  return {
    dataDir,
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  };
}
