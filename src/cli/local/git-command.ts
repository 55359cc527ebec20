import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CommandError, EXIT } from "../exit-codes.ts";

const GIT_TIMEOUT_MS = 5 * 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const run = promisify(execFile);

export interface GitCall {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** What git printed, without the last line's end. A git that says no is the person's to hear. */
export async function git(args: readonly string[], { cwd, env, signal }: GitCall): Promise<string> {
  try {
    const options = { cwd, signal, timeout: GIT_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
    const { stdout } = await run("git", args, env === undefined ? options : { ...options, env });
    return stdout.replace(/\n$/, "");
  } catch (err) {
    signal.throwIfAborted();
    const { stderr = "", message = String(err) } = err as { stderr?: string; message?: string };
    const said = stderr.trim() === "" ? message : stderr.trim();
    throw new CommandError(EXIT.errored, `git ${args[0] ?? ""}: ${said}`);
  }
}

/** The same; undefined where git says no. */
export async function tryGit(args: readonly string[], call: GitCall): Promise<string | undefined> {
  return await git(args, call).catch((err: unknown) => {
    if (err instanceof CommandError) return undefined;
    throw err;
  });
}
