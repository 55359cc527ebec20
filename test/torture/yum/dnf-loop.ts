import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const DNF_MS = 120_000;

/** A host in a folder of its own: real dnf with both signature checks, nothing installed on this machine. */
export interface DnfHost {
  /** Refreshes the metadata; answers dnf's words if it fails. */
  refresh(): Promise<string | undefined>;
  /** Refreshes, resolves and installs; then removes, so that it can be done again. */
  installAndRemove(name: string): Promise<string | undefined>;
  /** Names that the channel offers. */
  offered(): Promise<readonly string[]>;
}

export interface DnfRepos {
  readonly url: string;
  readonly channel: string;
  /** As they are served; a section each. */
  readonly targets: readonly string[];
}

export async function dnfHost(folder: string, repo: DnfRepos): Promise<DnfHost> {
  const root = join(folder, "root");
  const repos = join(folder, "repos");
  await mkdir(root, { recursive: true });
  await mkdir(repos, { recursive: true });
  await mkdir(join(folder, "log"), { recursive: true });
  const text = repo.targets.map((target) => sectionOf(repo, target)).join("\n");
  await writeFile(join(repos, "torture.repo"), text);
  const base = [
    "--assumeyes",
    "--quiet",
    `--installroot=${root}`,
    "--releasever=12",
    `--setopt=reposdir=${repos}`,
    `--setopt=cachedir=${join(folder, "cache")}`,
    `--setopt=logdir=${join(folder, "log")}`,
    "--setopt=install_weak_deps=0",
    "--setopt=retries=1",
    "--nodocs",
  ];
  const dnf = async (...args: string[]) => {
    try {
      // Real hosts do not share a machine with the server: here they give way to it.
      const { stdout } = await run("nice", ["dnf", ...base, ...args], { timeout: DNF_MS });
      return { failure: undefined, stdout };
    } catch (err) {
      const { stdout = "", stderr = "" } = err as { stdout?: string; stderr?: string };
      return { failure: `dnf ${args.join(" ")}: ${stdout}${stderr}`.slice(-2_000), stdout };
    }
  };
  return {
    refresh: async () => (await dnf("makecache")).failure,
    installAndRemove: async (name) => {
      const { failure } = await dnf("install", name);
      return failure ?? (await dnf("remove", name)).failure;
    },
    offered: async () => {
      const { failure, stdout } = await dnf("repoquery", "--qf", "%{name}");
      if (failure !== undefined) throw new Error(failure);
      return stdout.split("\n").filter(Boolean).toSorted();
    },
  };
}

function sectionOf({ url, channel }: DnfRepos, target: string): string {
  return [
    `[torture-${target}]`,
    `name=torture ${target}`,
    `mirrorlist=${url}/yum/${channel}/${target}/mirrorlist`,
    "enabled=1",
    "gpgcheck=1",
    "repo_gpgcheck=1",
    `gpgkey=${url}/yum/keys/tatara.asc`,
    // As shipped, dnf would say "Ignoring repositories" and exit 0.
    "skip_if_unavailable=0",
    "metadata_expire=0",
    "",
  ].join("\n");
}
