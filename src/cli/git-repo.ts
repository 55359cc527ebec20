import { spawn } from "node:child_process";
import { chmod, cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

const GIT_TIMEOUT_MS = 60_000;
/** So long git may take to remove its locks, once it was told to end. */
const GRACE_MS = 2_000;

/** A working tree that we made ourselves; the person's own git settings play no part in it. */
export interface GitRepo {
  readonly dir: string;
  git(args: readonly string[]): Promise<string>;
  copyFrom(folder: string): Promise<void>;
  /** Writes the files, commits everything, and returns the commit. Text that starts with `#!` may run. */
  commit(files: Readonly<Record<string, string>>, message: string): Promise<string>;
  /** Pushes to our own remote; returns what git printed, the server's words among it. */
  push(remote: Remote, refspecs: readonly string[]): Promise<string>;
}

export interface Remote {
  readonly url: string;
  readonly token: string;
}

export async function initGitRepo(
  dir: string,
  {
    path,
    author,
    signal,
  }: { readonly path: string; readonly author: string; readonly signal: AbortSignal },
): Promise<GitRepo> {
  await mkdir(dir, { recursive: true });
  const env = {
    PATH: path,
    HOME: dir,
    LC_ALL: "C",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: author,
    GIT_AUTHOR_EMAIL: "demo@example.com",
    GIT_COMMITTER_NAME: author,
    GIT_COMMITTER_EMAIL: "demo@example.com",
  };
  const git = (args: readonly string[], extra: Readonly<Record<string, string>> = {}) =>
    runGit(args, { cwd: dir, env: { ...env, ...extra }, signal });
  await git(["init", "--quiet", "--initial-branch=main"]);

  return {
    dir,
    git: async (args) => (await git(args)).stdout.trim(),
    copyFrom: (folder) => cp(folder, dir, { recursive: true }),
    commit: async (files, message) => {
      await Promise.all(Object.entries(files).map(([name, text]) => writeInto(dir, name, text)));
      await git(["add", "--all"]);
      await git(["commit", "--quiet", "--allow-empty", "-m", message]);
      return (await git(["rev-parse", "HEAD"])).stdout.trim();
    },
    push: async (remote, refspecs) => {
      const { stdout, stderr } = await git(["push", remote.url, ...refspecs], credential(remote));
      return stdout + stderr;
    },
  };
}

/**
 * A push is several programs. One that takes too long or is aborted ends with all of them, and none is
 * left when this rejects; the message holds what they said.
 */
export async function runGit(
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    readonly timeoutMs?: number;
  },
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { cwd, env, signal, timeoutMs = GIT_TIMEOUT_MS } = options;
  signal.throwIfAborted();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  // A group of its own, so that one signal reaches whatever git started.
  const child = spawn("git", args, {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const over = new AbortController();
  const stop = async (): Promise<void> => {
    signalGroup(child.pid, "SIGTERM");
    await delay(GRACE_MS, undefined, { signal: over.signal }).catch(() => undefined);
    if (!over.signal.aborted) signalGroup(child.pid, "SIGKILL");
  };
  const onLimit = (): void => void stop();
  limit.addEventListener("abort", onLimit);
  try {
    const ended = new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      // Only when nobody holds its output any more.
      child.once("close", (code, by) => resolve(by ?? `code ${code}`));
    });
    const [how, stdout, stderr] = await Promise.all([
      ended,
      text(child.stdout),
      text(child.stderr),
    ]);
    if (how === "code 0") return { stdout, stderr };
    const late = limit.aborted && !signal.aborted ? ` after ${timeoutMs / 1_000} s` : "";
    throw new Error(`git ${args[0] ?? ""} ended with ${how}${late}:\n${stdout}${stderr}`, {
      cause: limit.reason,
    });
  } finally {
    over.abort();
    limit.removeEventListener("abort", onLimit);
  }
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}

/** The token goes by the environment: in the address it would end in logs and in `git remote -v`. */
function credential({ url, token }: Remote): Readonly<Record<string, string>> {
  const basic = Buffer.from(`tatara:${token}`).toString("base64");
  return {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `http.${url}.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
  };
}

async function writeInto(dir: string, name: string, text: string): Promise<void> {
  const path = join(dir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  if (text.startsWith("#!")) await chmod(path, 0o755);
}
