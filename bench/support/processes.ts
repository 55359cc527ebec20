import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NODE_FLAGS } from "../../src/cli/processes/process-table.ts";

export interface BenchProcess extends AsyncDisposable {
  readonly pid: number;
  /** Its first line of output, as JSON. */
  readonly ready: Readonly<Record<string, unknown>>;
}

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

/** Starts one of our sources and waits for the line in which it says that it is ready. */
export async function startProcess(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<BenchProcess> {
  const child = spawn(process.execPath, [...NODE_FLAGS, pathOf(file), ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await firstLine(child);
  const pid = child.pid ?? 0;
  return {
    pid,
    ready: JSON.parse(line) as Record<string, unknown>,
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** Runs one of our sources to its end and returns the JSON that it printed. */
export async function runProcess<T>(file: string, args: readonly string[]): Promise<T> {
  const child = spawn(process.execPath, [pathOf(file), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${file} ended with ${code}.`);
  return JSON.parse(text) as T;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("No output to read.");
  for await (const line of createInterface({ input: child.stdout })) {
    // What it prints later must not fill the pipe.
    child.stdout.resume();
    return line;
  }
  throw new Error("The process ended before it was ready.");
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await once(child, "exit");
  clearTimeout(timer);
}
