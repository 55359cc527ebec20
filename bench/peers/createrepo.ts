import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const FETCH_MS = 180_000;
const RUN_MS = 1_800_000;
const POLL_MS = 5;
/** Has createrepo_c 1.2; Debian 12's 0.17.3 sorts packages in time that grows with their square. */
const SUITE = "trixie";

export interface CreaterepoPeer extends AsyncDisposable {
  readonly version: string;
  run(args: readonly string[]): Promise<CreaterepoRun>;
}

export interface CreaterepoRun {
  readonly ms: number;
  readonly peakRssMb: number;
}

/**
 * createrepo_c of a newer Debian than this machine's, unpacked into a temporary folder and started by
 * its own loader: nothing is installed. Falls back to the machine's own and says which one it is.
 */
export async function createrepoPeer(): Promise<CreaterepoPeer> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-bench-peer-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const command = await newerCreaterepo(join(folder, "root")).catch(() => ["createrepo_c"]);
    const [program = "", ...first] = command;
    const { stdout } = await run(program, [...first, "--version"]);
    const version = /Version: (\S+)/.exec(stdout)?.[1] ?? "unknown";
    return {
      version,
      run: (args) => timed([...command, ...args]),
      [Symbol.asyncDispose]: remove,
    };
  } catch (err) {
    await remove();
    throw err;
  }
}

async function newerCreaterepo(root: string): Promise<readonly string[]> {
  const mirror = await debianMirror();
  const options = ["--variant=extract", "--include=createrepo-c", "--format=dir", "--quiet"];
  await run("mmdebstrap", [...options, SUITE, root, `deb ${mirror} ${SUITE} main`], {
    timeout: FETCH_MS,
  });
  const libraries = join(root, "usr", "lib", "x86_64-linux-gnu");
  const loader = (await readdir(libraries)).find((name) => name.startsWith("ld-linux"));
  if (loader === undefined) throw new Error("The unpacked system has no loader.");
  const binary = join(root, "usr", "bin", "createrepo_c");
  return [join(libraries, loader), "--library-path", libraries, binary];
}

/** Where this machine's own packages come from. */
async function debianMirror(): Promise<string> {
  for (const name of ["sources.list.d/debian.sources", "sources.list"]) {
    const text = await readFile(join("/etc/apt", name), "utf8").catch(() => "");
    const found = /^(?:URIs:|deb) +(https?:\S+)/m.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error("This machine has no Debian archive.");
}

async function timed([program = "", ...args]: readonly string[]): Promise<CreaterepoRun> {
  const startedAt = performance.now();
  const child = spawn(program, args, { stdio: "ignore", timeout: RUN_MS });
  let peakKb = 0;
  const poll = setInterval(() => {
    // The kernel keeps the highest mark; it is gone with the process, so it is asked often.
    void peakOf(child.pid).then((kb) => (peakKb = Math.max(peakKb, kb)));
  }, POLL_MS);
  try {
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) throw new Error(`${program} ended with ${code}.`);
    return { ms: performance.now() - startedAt, peakRssMb: Math.round(peakKb / 1024) };
  } finally {
    clearInterval(poll);
  }
}

async function peakOf(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmHWM:\s+(\d+)/m.exec(text)?.[1] ?? 0);
}
