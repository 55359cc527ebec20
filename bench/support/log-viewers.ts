import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { end } from "./processes.ts";

const PROGRAM = fileURLToPath(new URL("viewers-process.ts", import.meta.url));

export interface LogViewers {
  /** Milliseconds from a line's print until a viewer had it, of all since the last time. */
  take(): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** People who watch one step's log, in a process of their own. */
export async function startViewers(order: {
  readonly url: string;
  readonly token: string;
  readonly build: string;
  readonly count: number;
}): Promise<LogViewers> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(order)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    take: async () => {
      child.stdin.write("take\n");
      const { value } = await lines.next();
      return JSON.parse(String(value)) as readonly number[];
    },
    stop: () => end(child),
  };
}
