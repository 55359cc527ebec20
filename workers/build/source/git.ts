import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { buffer } from "node:stream/consumers";
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";

/** The only door to git: fixed argument lists, an environment of our own, nothing of the host's. */
export interface Git {
  /** What it printed. Throws `GitFailed` on any other exit than 0. */
  run(args: readonly string[], options: GitOptions): Promise<Buffer>;
  /** What it prints, as it comes; the stream fails if git does. */
  stream(args: readonly string[], options: GitOptions): Readable;
}

export interface GitOptions {
  readonly gitDir: string;
  readonly signal: AbortSignal;
  /** Further settings of this one call; they never reach a file or an argument list. */
  readonly config?: Readonly<Record<string, string>>;
  /** Plain http is only for servers that the operator named. */
  readonly allowHttp?: boolean;
}

/** Git said no. `stderr` is for classifying and for the log; it may quote the remote. */
export class GitFailed extends Error {
  override readonly name = "GitFailed";
  readonly stderr: string;

  constructor(command: string, how: string, stderr: string) {
    super(`git ${command} ended with ${how}: ${stderr.trim().slice(-1_000)}`);
    this.stderr = stderr;
  }
}

const STDERR_BYTES_MAX = 64 * 1024;

// Defects of old commits that are harmless here and that large public histories have.
const FSCK_IGNORED = ["zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone"] as const;

const CONFIG: Readonly<Record<string, string>> = {
  "core.hooksPath": "/dev/null",
  "core.attributesFile": "/dev/null",
  "core.fsmonitor": "false",
  "credential.helper": "",
  "fetch.fsckObjects": "true",
  "transfer.fsckObjects": "true",
  ...Object.fromEntries(FSCK_IGNORED.map((name) => [`fetch.fsck.${name}`, "ignore"])),
  "fetch.recurseSubmodules": "false",
  "gc.auto": "0",
  // A redirect could carry the credential to a host that nobody named.
  "http.followRedirects": "false",
  "http.lowSpeedLimit": "1000",
  "http.lowSpeedTime": "60",
  "maintenance.auto": "false",
  "protocol.allow": "never",
  "tar.umask": "0022",
};

/** `path` is the search path for git itself; `proxy` the few variables that it may know. */
export function openGit({
  path,
  proxy = {},
}: {
  readonly path: string;
  readonly proxy?: Readonly<Record<string, string>>;
}): Git {
  const start = (args: readonly string[], options: GitOptions): Running => {
    const child = spawn("git", [`--git-dir=${options.gitDir}`, ...args], {
      env: { PATH: path, ...proxy, ...environment(options) },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: what git started to speak http would outlive it, and hold its pipes open.
      detached: true,
    });
    const stop = () => endGroup(child);
    options.signal.addEventListener("abort", stop, { once: true });
    child.once("close", () => options.signal.removeEventListener("abort", stop));
    return { child, stop };
  };

  const stream = (args: readonly string[], options: GitOptions): Readable => {
    const output = new PassThrough();
    if (options.signal.aborted) return output.destroy(asError(options.signal.reason));
    const { child, stop } = start(args, options);
    // Only a whole archive may end: a cut one must fail whoever reads it.
    child.stdout.pipe(output, { end: false });
    output.once("close", stop);
    ended(child, args, options.signal).then(
      () => output.end(),
      (err: unknown) => output.destroy(asError(err)),
    );
    return output;
  };

  return {
    stream,
    run: async (args, options) => {
      options.signal.throwIfAborted();
      const { child } = start(args, options);
      const [printed] = await Promise.all([
        buffer(child.stdout),
        ended(child, args, options.signal),
      ]);
      return printed;
    },
  };
}

function environment({ config, allowHttp }: GitOptions): Record<string, string> {
  const settings = Object.entries({ ...CONFIG, ...config });
  const numbered = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    LC_ALL: "C",
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TEMPLATE_DIR: "",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "true",
    // Settings name no other: whatever else stands in an address was put there by somebody else.
    GIT_ALLOW_PROTOCOL: allowHttp ? "https:http" : "https",
    GIT_LITERAL_PATHSPECS: "1",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(numbered),
  };
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

interface Running {
  readonly child: Child;
  /** Ends it with all that it started; harmless when it has ended. */
  readonly stop: () => void;
}

function endGroup({ pid, stdout, stderr }: Child): void {
  // Once its pipes are closed nobody of the group is left, and its number may be another's.
  if (pid === undefined || (stdout.closed && stderr.closed)) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It ended just now.
  }
}

async function ended(child: Child, args: readonly string[], signal: AbortSignal): Promise<void> {
  const stderr: Buffer[] = [];
  let size = 0;
  child.stderr.on("data", (chunk: Buffer) => {
    if (size < STDERR_BYTES_MAX) stderr.push(chunk);
    size += chunk.length;
  });
  const how = await exitOf(child);
  signal.throwIfAborted();
  if (how === "code 0") return;
  throw new GitFailed(args[0] ?? "", how, Buffer.concat(stderr).toString());
}

function exitOf(child: Child): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", (err) => {
      if (child.pid === undefined) reject(err);
    });
    child.once("close", (code, killedBy) => resolve(killedBy ?? `code ${code}`));
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
