import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { deadlineIn } from "../../src/shared/deadline.ts";

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Descriptors that the child gets as 3, 4, …: `/proc/self/fd/3` opens the first. */
  readonly files?: readonly number[];
}

export interface CommandEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** By number, since distributions differ in the name of the group. */
export const NOBODY = 65_534;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;
const PLAIN_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", HOME: "/" };

/** Runs a program with an argument list. Throws if it cannot run or takes too long; a bad exit is returned. */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
): Promise<CommandEnd> {
  signal.throwIfAborted();
  using deadline = deadlineIn(options.timeoutMs);
  const child = spawn(file, args, {
    env: { ...PLAIN_ENV, ...options.env },
    stdio: ["ignore", "pipe", "pipe", ...(options.files ?? [])],
    signal: AbortSignal.any([signal, deadline.signal]),
    killSignal: "SIGKILL",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  try {
    const [stdout, stderr, end] = await Promise.all([
      collect(child.stdout as Readable),
      collect(child.stderr as Readable),
      once(child, "close") as Promise<[number | null]>,
    ]);
    return { code: end[0], stdout, stderr: stderr.toString("utf8") };
  } catch (cause) {
    child.kill("SIGKILL");
    signal.throwIfAborted();
    const why = deadline.signal.aborted
      ? `did not end within ${options.timeoutMs} ms`
      : "could not run";
    throw new Error(`${file} ${why}.`, { cause });
  }
}

/**
 * The same without privileges, for programs that parse what a build made: nobody's rights, nothing
 * to gain, bounded processor time, memory and files. Without root there is no other user to become.
 */
export async function runConfined(
  file: string,
  args: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
): Promise<CommandEnd> {
  const bounds = [
    "--cpu=120",
    "--as=4294967296",
    "--fsize=1073741824",
    "--nofile=1024",
    "--core=0",
  ];
  const nobody = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const rights = ["--no-new-privs", ...(isRoot() ? nobody : [])];
  const command = [...bounds, "--", "setpriv", ...rights, "--", file, ...args];
  return await runCommand("prlimit", command, options, signal);
}

/** Whether children can be made somebody else. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > OUTPUT_BYTES_MAX) throw new Error(`Over ${OUTPUT_BYTES_MAX} bytes of output.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
