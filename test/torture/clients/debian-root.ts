import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A Debian of another release than this machine's, unpacked into a folder; nothing is installed. */
export interface DebianRoot extends AsyncDisposable {
  readonly folder: string;
  /** Runs a line of shell as root of that Debian, which has this machine's network. */
  run(line: string): Promise<Ran>;
}

export interface Ran {
  readonly line: string;
  readonly code: number;
  /** Standard output and error together. */
  readonly output: string;
  readonly stdout: string;
}

const SIGNALS: Readonly<Record<string, number>> = constants.signals;
const exec = promisify(execFile);
const UNPACK_MS = 300_000;
const RUN_MS = 120_000;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;
/** What a line of shell needs, and what fetches and checks. */
const PACKAGES =
  "libc-bin,coreutils,bash,sed,grep,gzip,findutils,curl,ca-certificates,gpg,gpgv,rpm";
const MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr";

/** Fetches from the Debian archive that this machine's own packages come from. */
export async function unpackDebian(
  release: string,
  packages: readonly string[],
): Promise<DebianRoot> {
  const folder = await mkdtemp(join(tmpdir(), `tatara-${release}-`));
  const root = join(folder, "root");
  try {
    const options = [
      "--variant=extract",
      "--format=dir",
      "--quiet",
      `--hook-dir=${MERGED_USR}`,
      // An archive that is frozen at a day is as good here; its signature is checked all the same.
      '--aptopt=Acquire::Check-Valid-Until "false"',
      `--include=${[PACKAGES, ...packages].join(",")}`,
    ];
    const source = `deb ${await debianArchive()} ${release} main`;
    await exec("mmdebstrap", [...options, release, root, source], { timeout: UNPACK_MS });
    for (const name of ["root", "tmp", "run"]) await mkdir(join(root, name), { recursive: true });
    // Where a package is only unpacked, nobody has chosen the shell.
    await symlink("bash", join(root, "usr/bin/sh")).catch(() => undefined);
  } catch (err) {
    await rm(folder, { recursive: true, force: true });
    throw err;
  }
  return {
    folder: root,
    run: (line) => runShell(["chroot", root, "bash", "-c", line], line),
    [Symbol.asyncDispose]: async () => {
      await endProcessesIn(root);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function debianArchive(): Promise<string> {
  for (const name of ["sources.list.d/debian.sources", "sources.list"]) {
    const text = await readFile(join("/etc/apt", name), "utf8").catch(() => "");
    const found = /^(?:URIs:|deb) +(https?:\S+)/m.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error("This machine has no Debian archive.");
}

/** Nothing of this process's environment reaches the command. */
export async function runShell(command: readonly string[], line: string): Promise<Ran> {
  const [program = "", ...args] = command;
  const env = { PATH: "/usr/bin:/usr/sbin:/bin:/sbin", HOME: "/root", LC_ALL: "C.UTF-8" };
  const limits = { timeout: RUN_MS, maxBuffer: OUTPUT_BYTES_MAX, env };
  try {
    const { stdout, stderr } = await exec(program, args, limits);
    return { line, code: 0, stdout, output: stdout + stderr };
  } catch (err) {
    const end = err as Partial<Record<"code" | "killed" | "signal", unknown>>;
    const { stdout = "", stderr = "" } = err as Partial<Record<string, string>>;
    // A program that crashes ends with a signal that is not ours.
    const crash = end.killed === true ? undefined : SIGNALS[String(end.signal)];
    const code = crash === undefined ? end.code : 128 + crash;
    if (typeof code !== "number") throw err;
    return { line, code, stdout, output: stdout + stderr };
  }
}

/** Agents that gpg left behind, if any: those whose root is this folder. */
async function endProcessesIn(root: string): Promise<void> {
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const itsRoot = await readlink(`/proc/${pid}/root`).catch(() => "");
    if (itsRoot === root) process.kill(Number(pid), "SIGKILL");
  }
}
