import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface GitRun {
  readonly code: number;
  readonly output: string;
}

export interface GitWorkTree extends AsyncDisposable {
  readonly dir: string;
  /** Runs git; a non-zero end is returned, not thrown. */
  git(...args: string[]): Promise<GitRun>;
  /** Writes files, and leaves them uncommitted. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Writes files, commits all, and returns the sha. */
  commit(files: Readonly<Record<string, string>>, message: string): Promise<string>;
}

/** A developer's clone, with the token in the environment as the README says. */
export async function aGitWorkTree({ token }: { token?: string } = {}): Promise<GitWorkTree> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-work-tree-"));
  const basic = Buffer.from(`dev1:${token ?? ""}`).toString("base64");
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: dir,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: "Dev One",
    GIT_AUTHOR_EMAIL: "dev1@example.com",
    GIT_COMMITTER_NAME: "Dev One",
    GIT_COMMITTER_EMAIL: "dev1@example.com",
    ...(token === undefined
      ? {}
      : {
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "http.extraHeader",
          GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
        }),
  };
  const git = async (...args: string[]): Promise<GitRun> => {
    try {
      const { stdout, stderr } = await run("git", args, { cwd: dir, env });
      return { code: 0, output: stdout + stderr };
    } catch (err) {
      const { code, stdout, stderr } = err as { code: number; stdout: string; stderr: string };
      return { code, output: `${stdout}${stderr}` };
    }
  };
  const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), text);
    }
  };
  await git("init", "--quiet", "--initial-branch=main");
  return {
    dir,
    git,
    write,
    commit: async (files, message) => {
      await write(files);
      await git("add", "--all");
      await git("commit", "--quiet", "--allow-empty", "-m", message);
      return (await git("rev-parse", "HEAD")).output.trim();
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}
