import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A host that subscribes to a channel: real dnf in a fresh container, removed at the end. */
export interface DnfClient extends AsyncDisposable {
  install(...packages: string[]): Promise<DnfEnd>;
  upgrade(...packages: string[]): Promise<DnfEnd>;
  downgrade(...packages: string[]): Promise<DnfEnd>;
  /** Downloads the metadata anew and checks its signature. */
  makecache(): Promise<DnfEnd>;
  /** What the channel offers: `name-evr.arch`, sorted. */
  list(): Promise<readonly string[]>;
  /** What is installed under a name: `name-version-release.arch` lines, sorted; empty if nothing. */
  installed(name: string): Promise<readonly string[]>;
  /** Any dnf command. */
  dnf(...args: string[]): Promise<DnfEnd>;
  /** Any command in the container. */
  run(...command: string[]): Promise<DnfEnd>;
}

export interface DnfEnd {
  readonly code: number;
  /** Standard output and error together. */
  readonly output: string;
}

export interface DnfClientOptions {
  /** Address of the `.repo` file, or undefined when `repoText` is given. */
  readonly repoUrl?: string;
  readonly repoText?: string;
  readonly image?: string;
}

const exec = promisify(execFile);
const RUN_TIMEOUT_MS = 600_000;
const LIFETIME_SECONDS = "1800";

/**
 * `skip_if_unavailable` is switched off: with it, as EL and Debian ship dnf, a bad signature would
 * end in "Ignoring repositories" and exit code 0.
 */
export async function dnfClient(options: DnfClientOptions): Promise<DnfClient> {
  const repo = options.repoText ?? (await fetchRepo(options.repoUrl ?? ""));
  const start = ["run", "--detach", "--rm", "--network", "host", "--label", "tatara.test=dnf"];
  const image = options.image ?? "tatara/base";
  const { stdout } = await exec("docker", [...start, image, "sleep", LIFETIME_SECONDS]);
  const container = stdout.trim();
  const run = (...command: string[]) => docker("exec", container, ...command);
  const dnf = (...args: string[]) =>
    run("dnf", "--assumeyes", "--setopt=install_weak_deps=0", ...args);
  const remove = () => docker("rm", "--force", container);

  const text = `${repo}\nskip_if_unavailable=0\n`;
  const write = 'mkdir -p /etc/yum.repos.d && printf %s "$1" > /etc/yum.repos.d/tatara.repo';
  const written = await run("sh", "-c", write, "sh", text);
  if (written.code !== 0) {
    await remove();
    throw new Error(`The .repo file could not be written: ${written.output}`);
  }
  return {
    run,
    dnf,
    install: (...packages) => dnf("--refresh", "install", ...packages),
    upgrade: (...packages) => dnf("--refresh", "upgrade", ...packages),
    downgrade: (...packages) => dnf("--refresh", "downgrade", ...packages),
    makecache: () => dnf("--refresh", "makecache"),
    list: async () => {
      const format = "%{name}-%{evr}.%{arch}";
      const end = await dnf("--quiet", "--refresh", "repoquery", "--qf", format);
      if (end.code !== 0) throw new Error(`dnf repoquery: ${end.output}`);
      return end.output
        .split("\n")
        .filter((line) => /^\S+-\S+-\S+\.\S+$/.test(line))
        .toSorted();
    },
    installed: async (name) => {
      const end = await run("rpm", "--query", name);
      return end.code === 0 ? end.output.split("\n").filter(Boolean).toSorted() : [];
    },
    [Symbol.asyncDispose]: async () => {
      await remove();
    },
  };
}

async function fetchRepo(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`);
  return text;
}

async function docker(...args: string[]): Promise<DnfEnd> {
  try {
    const limits = { timeout: RUN_TIMEOUT_MS, maxBuffer: 64 * 2 ** 20 };
    const { stdout, stderr } = await exec("docker", args, limits);
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (err) {
    const { code, stdout, stderr } = err as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw err;
    return { code, output: `${stdout ?? ""}${stderr ?? ""}` };
  }
}
