import { expect } from "vitest";
import { dnfClient } from "./dnf-client.ts";
import type { DnfClient } from "./dnf-client.ts";
import type { Tatara, TestRepo } from "./start-tatara.ts";

/** First builds download compilers for their images. */
export const EXAMPLE_DEADLINE_MS = 280_000;

/** What one of `examples/` should be for the hosts that subscribe to it. */
export interface Example {
  /** Its folder, and its repository below `acme`. */
  readonly folder: string;
  readonly packageName: string;
  /** Shell text that runs on a host once it is installed, and what it prints. */
  readonly tries: readonly [command: string, output: string | RegExp];
  /** A file that hosts edit and the second push changes. */
  readonly config?: { readonly onHost: string; readonly inRepo: string; readonly next: string };
  readonly user?: string;
  /** What hosts subscribe to, and what they run; the server's default and the base image. */
  readonly target?: string;
  readonly image?: string;
}

const EDITED = "# ours\n";
/** What a host keeps for itself, and what the kernel shows. */
const LEFT_OUT = [
  ...["proc", "sys", "dev", "tmp", "run", "root", "var/cache", "var/log"],
  ...["var/lib/dnf", "var/lib/rpm", "var/lib/dpkg", "var/lib/apt"],
];
const LIST = `find / -xdev ${LEFT_OUT.map((name) => `-path /${name} -prune -o`).join(" ")} -print | sort`;

/** A repository with an example in it, its first commit not pushed yet. */
export async function exampleRepo(tatara: Tatara, folder: string): Promise<TestRepo> {
  const repo = await tatara.createRepo(`acme/${folder}`);
  await repo.copyFrom(`examples/${folder}`);
  await repo.commit({}, "first commit");
  return repo;
}

/** Installed, upgraded to what a second push makes, removed: what a package goes through on a host. */
export async function liveOnHost(tatara: Tatara, repo: TestRepo, example: Example): Promise<void> {
  const { packageName, target = "debian12.x86_64", image, config } = example;
  const repoUrl = `${tatara.url}/yum/dev.repo?target=${target}`;
  await using host = await dnfClient({ repoUrl, ...(image === undefined ? {} : { image }) });
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
  const kept = ["", `${config?.onHost}.rpmnew`, `${config?.onHost}.rpmsave`];
  expect(left.filter((path) => !kept.includes(path))).toEqual([]);
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

/** No scriptlet of the package failed or complained. */
function quiet(end: { readonly code: number; readonly output: string }): void {
  expect(end.code, end.output).toBe(0);
  expect(end.output).not.toMatch(/warning|error|failed|not found/i);
}
