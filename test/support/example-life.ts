import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { dnfClient } from "./dnf-client.ts";
import type { DnfClient } from "./dnf-client.ts";
import type { Tatara, TestRepo } from "./start-tatara.ts";

const exec = promisify(execFile);
/** First builds download compilers for their images. */
export const EXAMPLE_DEADLINE_MS = 800_000;

/** What one of `examples/` should be for the hosts that subscribe to it. */
export interface Example {
  /** Its folder, and its repository below `acme`. */
  readonly folder: string;
  readonly packageName: string;
  /** Names of all its packages, sorted. */
  readonly makes?: readonly string[];
  /** Shell text that runs on a host once it is installed, and what it prints. */
  readonly tries: readonly [command: string, output: string | RegExp];
  /** A file that hosts edit and the second push changes. */
  readonly config?: { readonly onHost: string; readonly inRepo: string; readonly next: string };
  readonly user?: string;
  /** What hosts subscribe to. */
  readonly target?: string;
}

/** Debian with nodejs, which a package requires, and systemd, which units want. */
export const HOST_IMAGE = `tatara-test/host:${process.pid}`;
/** The folders are of every system but a slim one. */
const HOST = `FROM tatara/base
RUN apt-get update && apt-get install --yes --no-install-recommends nodejs systemd
RUN mkdir -p /usr/share/man/man1 /usr/share/licenses
`;
const EDITED = "# ours\n";
/** What a host keeps for itself, and what the kernel shows. */
const LEFT_OUT =
  "proc sys dev tmp run root var/cache var/log var/lib/dnf var/lib/rpm var/lib/dpkg var/lib/apt";
const LIST = `find / -xdev ${LEFT_OUT.replace(/\S+/g, "-path /$& -prune -o")} -print | sort`;

/** Made of packages alone, as no registry answers here; removed at the end. */
export async function buildHostImage(): Promise<AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-host-"));
  await writeFile(join(dir, "Dockerfile"), HOST);
  await exec("docker", ["build", "--quiet", "--tag", HOST_IMAGE, dir]);
  await rm(dir, { recursive: true });
  return { [Symbol.asyncDispose]: async () => void (await exec("docker", ["rmi", HOST_IMAGE])) };
}

/** `TATARA_TARGETS`: packages for these are verified on that image. */
export function hostTargets(...targets: readonly string[]): string {
  return targets.map((target) => `${target}=${HOST_IMAGE}`).join("; ");
}

/** A repository with an example in it, its first commit not pushed yet. */
export async function exampleRepo(tatara: Tatara, folder: string): Promise<TestRepo> {
  const repo = await tatara.createRepo(`acme/${folder}`);
  await repo.copyFrom(`examples/${folder}`);
  await repo.commit({}, "first commit");
  return repo;
}

/** Installed, upgraded to what a second push makes, removed: what a package goes through on a host. */
export async function liveOnHost(tatara: Tatara, repo: TestRepo, example: Example): Promise<void> {
  const { packageName, target = "debian12.x86_64", config } = example;
  const repoUrl = `${tatara.url}/yum/dev.repo?target=${target}`;
  await using host = await dnfClient({ repoUrl, image: HOST_IMAGE });
  await shell(host, `${LIST} > /tmp/before`);
  quiet(await host.install(packageName));
  const [first] = await host.installed(packageName);
  await tryOut(host, example);
  if (config) await shell(host, `printf '${EDITED}' > ${config.onHost}`);

  const changed = config ? { [config.inRepo]: config.next } : {};
  await repo.commit({ CHANGES: "one more\n", ...changed }, "second commit");
  await repo.push();
  const name = `${repo.name}#2`;
  await tatara.until(name, "passed", EXAMPLE_DEADLINE_MS);
  expect(await tatara.log(name, "verify")).toContain(`tatara: upgrade to ${packageName}-`);
  quiet(await host.upgrade(packageName));
  const [second] = await host.installed(packageName);
  expect(second).not.toBe(first);
  await tryOut(host, example);
  if (config) {
    expect(await shell(host, `cat ${config.onHost}`)).toBe(EDITED);
    expect(await shell(host, `cat ${config.onHost}.rpmnew`)).toBe(config.next);
  }

  quiet(await host.dnf("remove", packageName));
  const left = (await shell(host, `${LIST} | comm -13 /tmp/before -`)).split("\n");
  // What the host changed stays, beside what it would have been.
  const kept = ["", ...keptOf(config)];
  expect(left.filter((path) => !kept.includes(path))).toEqual([]);
}

function keptOf(config: Example["config"]): readonly string[] {
  if (!config) return [];
  return [dirname(config.onHost), `${config.onHost}.rpmnew`, `${config.onHost}.rpmsave`];
}

async function tryOut(host: DnfClient, { tries, user }: Example): Promise<void> {
  const [command, output] = tries;
  expect(await shell(host, command)).toMatch(output);
  if (user !== undefined) expect(await shell(host, `id --name --user ${user}`)).toBe(`${user}\n`);
}

/** What it printed; a command that fails is an error. */
export async function shell(host: DnfClient, command: string): Promise<string> {
  const { code, output } = await host.run("sh", "-euc", command);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output}`);
  return output;
}

/** No scriptlet of the package failed or complained; rpm says where it left a changed configuration. */
function quiet(end: { readonly code: number; readonly output: string }): void {
  expect(end.code, end.output).toBe(0);
  const said = end.output.replace(/^warning: \S+ (?:created|saved) as \S+\.rpm(?:new|save)$/gm, "");
  expect(said).not.toMatch(/warning|error|failed|not found/i);
}
