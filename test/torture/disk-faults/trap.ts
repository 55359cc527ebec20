import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { readTrace } from "./calls.ts";
import type { Seen } from "./calls.ts";

const ATTACH_MS = 60_000;

/** What strace is to do with the calls of some threads. */
export interface Trap {
  readonly threads: readonly number[];
  readonly calls: readonly string[];
  /** Only calls on this very path. */
  readonly onlyPath?: string;
  /** The first call of that name fails; without it all is only written down. */
  readonly inject?: { readonly call: string; readonly error: string };
}

export interface Armed {
  /** Lets the threads go, and tells what they did. */
  spring(): Promise<readonly Seen[]>;
  seen(): Promise<readonly Seen[]>;
}

/** Arguments of strace that make it do so, without whom it looks at. */
export function straceArgs(
  { calls, onlyPath, inject }: Omit<Trap, "threads">,
  output: string,
): readonly string[] {
  const rule =
    inject === undefined ? [] : ["-e", `inject=${inject.call}:error=${inject.error}:when=1`];
  const path = onlyPath === undefined ? [] : ["-P", onlyPath];
  return [
    "-y",
    "-s",
    "0",
    "-o",
    output,
    "-e",
    `trace=${[...calls, "chdir"].join(",")}`,
    ...rule,
    ...path,
  ];
}

/** Attaches to threads of a process that runs; resolves once nothing of theirs is missed. */
export async function arm(trap: Trap, root: string, output: string): Promise<Armed> {
  const whom = trap.threads.flatMap((thread) => ["-p", String(thread)]);
  const strace = spawn("strace", [...straceArgs(trap, output), ...whom], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await attached(strace, trap.threads.length);
  const seen = async (): Promise<readonly Seen[]> =>
    readTrace(await readFile(output, "utf8").catch(() => ""), root);
  return {
    seen,
    spring: async () => {
      strace.kill("SIGTERM");
      if (strace.exitCode === null && strace.signalCode === null) await once(strace, "exit");
      const all = await seen();
      await rm(output, { force: true });
      return all;
    },
  };
}

async function attached(strace: ChildProcess, count: number): Promise<void> {
  const stderr = strace.stderr;
  if (stderr === null) return;
  const limit = setTimeout(() => strace.kill("SIGKILL"), ATTACH_MS);
  let left = count;
  for await (const line of createInterface({ input: stderr })) {
    if (/attached|ptrace/.test(line)) left -= 1;
    if (left <= 0) break;
  }
  clearTimeout(limit);
  stderr.resume();
}

/** The thread that runs JavaScript and talks to sockets, and all the others. */
export async function threadsOf(
  pid: number,
): Promise<{ readonly main: readonly number[]; readonly rest: readonly number[] }> {
  const ids = (await readdir(`/proc/${pid}/task`)).map(Number);
  return { main: [pid], rest: ids.filter((id) => id !== pid) };
}
