import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A host of the SUSE family: real zypper in a root folder of its own, removed at the end. */
export interface ZypperClient extends AsyncDisposable {
  /** What an administrator does with `rpm --import`: each key of the text is trusted. */
  trust(keys: string): Promise<void>;
  /** Downloads the metadata anew and checks its signature. */
  refresh(): Promise<ZypperEnd>;
  install(...packages: string[]): Promise<ZypperEnd>;
  /** `name-version-release.arch` of what is installed, sorted; keys are no packages. */
  installed(): Promise<readonly string[]>;
}

export interface ZypperEnd {
  readonly code: number;
  /** Standard output and error together. */
  readonly output: string;
}

const exec = promisify(execFile);
const RUN_TIMEOUT_MS = 280_000;

/** Metadata and packages must be signed, by keys that are trusted. Nothing is asked: an open question is a no. */
export async function zypperClient(repoUrl: string): Promise<ZypperClient> {
  const root = await mkdtemp(join(tmpdir(), "tatara-zypper-"));
  const zypper = (...args: string[]) => run("zypper", "--non-interactive", "--root", root, ...args);
  const added = await zypper("addrepo", "--gpgcheck-strict", repoUrl, "tatara");
  if (added.code !== 0) throw new Error(`zypper addrepo: ${added.output}`);
  return {
    trust: async (keys) => {
      const file = join(root, "keys.asc");
      await writeFile(file, keys);
      await exec("rpm", ["--root", root, "--import", file]);
    },
    refresh: () => zypper("refresh", "--force"),
    install: (...packages) => zypper("install", ...packages),
    installed: async () => {
      const { stdout } = await exec("rpm", ["--root", root, "--query", "--all"]);
      const lines = stdout.split("\n").filter((line) => line !== "");
      return lines.filter((line) => !line.startsWith("gpg-pubkey-")).toSorted();
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

async function run(program: string, ...args: string[]): Promise<ZypperEnd> {
  try {
    const { stdout, stderr } = await exec(program, args, { timeout: RUN_TIMEOUT_MS });
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (err) {
    const { code, stdout, stderr } = err as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw err;
    return { code, output: `${stdout ?? ""}${stderr ?? ""}` };
  }
}
