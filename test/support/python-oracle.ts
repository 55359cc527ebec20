import { spawn } from "node:child_process";

/**
 * Runs a script with Debian's own Python, which has rpm's and dnf's modules (dnf is written in it).
 * The question goes in as JSON, the answer comes out as JSON.
 */
export async function askPython<T>(script: string, question: unknown): Promise<T> {
  const child = spawn("/usr/bin/python3", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(question));
  const parts: Buffer[] = [];
  for await (const part of child.stdout) parts.push(part as Buffer);
  const code = child.exitCode ?? (await new Promise((resolve) => child.once("exit", resolve)));
  if (code !== 0) throw new Error(`Python ended with ${String(code)}.`);
  return JSON.parse(Buffer.concat(parts).toString()) as T;
}
