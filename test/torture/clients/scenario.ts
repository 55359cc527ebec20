import { html } from "../../../src/server/pages/html.ts";
import { installSteps } from "../../../src/server/pages/install.ts";
import { flipped, startAlteringProxy } from "./altering-proxy.ts";
import type { Altering } from "./altering-proxy.ts";
import type { Ran } from "./debian-root.ts";
import type { PackageClient } from "./package-client.ts";
import { COMPS, FRAMES, LARGE, LISTED, MANY_TARGETS, X86 } from "./world.ts";
import type { World } from "./world.ts";

export interface Trial {
  readonly client: PackageClient;
  readonly world: World;
  /** A public key of somebody else. */
  readonly otherKey: string;
}

/**
 * What a client must be able to do, in words. `prove` throws with what the client said, and answers
 * what this client cannot do, whoever serves it.
 */
export interface Ability {
  readonly title: string;
  /** Undefined: every client can. */
  readonly of?: readonly PackageClient["kind"][];
  prove(trial: Trial): Promise<string | void>;
}

const TARGET_QUERY = { target: X86, packages: "hello" };

export const ABILITIES: readonly Ability[] = [
  { title: "subscribes by each line of the page", prove: subscribe },
  { title: "lists every package of the target", prove: listAll },
  { title: "installs, upgrades and downgrades", prove: changeVersions },
  { title: "shows advisories and applies the security updates alone", prove: applySecurity },
  { title: "shows groups and modules", of: ["dnf4", "dnf5"], prove: showExtras },
  { title: "sees a promotion and its undo", prove: promoteAndUndo },
  { title: "refreshes while the channel changes", prove: refreshInChange },
  { title: "reads zstd frames", prove: readFrames },
  { title: "reads layers", prove: readLayers },
  { title: "reads source and debug siblings", prove: readSiblings },
  { title: "reads a plain baseurl, and a generation of its own", prove: readBaseurls },
  { title: "finds its target by the family's file", of: ["dnf4", "dnf5"], prove: readFamily },
  { title: "refuses what is altered, unsigned or signed by another key", prove: refuse },
];

/** Also tells how it ended, so that a failure shows the client's own words. */
async function good({ client }: Trial, line: string): Promise<Ran> {
  const ran = await client.run(line);
  if (ran.code !== 0) throw new Error(`${line}\nended with ${ran.code}:\n${ran.output}`);
  return ran;
}

async function subscribeTo(trial: Trial, channel: string, query = `target=${X86}`): Promise<void> {
  const { client, world } = trial;
  await client.reset();
  const reader = client.kind === "zypper" ? "&for=zypper" : "";
  const response = await fetch(`${world.yum.url}/yum/${channel}.repo?${query}${reader}`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${channel}.repo: ${response.status} ${text}`);
  await client.writeRepo(text);
  await good(trial, client.commands.refresh);
}

async function offered(trial: Trial): Promise<readonly string[]> {
  const { commands } = trial.client;
  return commands.listed((await good(trial, commands.list)).stdout);
}

async function installed(trial: Trial): Promise<readonly string[]> {
  const { stdout } = await good(trial, trial.client.installed);
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.filter((line) => !line.startsWith("gpg-pubkey-")).toSorted();
}

function same(what: string, found: readonly string[], expected: readonly string[]): void {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  const missing = expected.filter((each) => !found.includes(each));
  const extra = found.filter((each) => !expected.includes(each));
  const counts = `${found.length} instead of ${expected.length}`;
  throw new Error(`${what}: ${counts}; missing: ${some(missing)}; extra: ${some(extra)}`);
}

function some(names: readonly string[]): string {
  return names.slice(0, 5).join(", ") || "none";
}

async function subscribe(trial: Trial): Promise<void> {
  const { client, world } = trial;
  const plain = { ...TARGET_QUERY, target: undefined, packages: "framed" };
  const places = [
    { subscription: { channel: MANY_TARGETS, ...TARGET_QUERY }, expected: LISTED },
    { subscription: { channel: FRAMES, ...plain }, expected: FRAMED },
  ];
  for (const { subscription, expected } of places) {
    const shown = linesFor(client.kind, { publicUrl: world.yum.url, ...subscription });
    const lines = shown.flatMap((line) => client.asTyped(line) ?? []);
    if (lines.length === 0) throw new Error(`The page shows no line for ${client.kind}.`);
    for (const line of lines) {
      await client.reset();
      await good(trial, line);
      await good(trial, client.commands.refresh);
      same(line, await offered(trial), expected);
    }
  }
}

const FRAMED = ["framed-1.0-1.noarch", "framed-1.1-1.noarch"];

/** The lines that a page shows for a client, without `sudo`, which an unpacked Debian has not. */
function linesFor(
  kind: PackageClient["kind"],
  subscription: Parameters<typeof installSteps>[0],
): readonly string[] {
  const page = html`${installSteps(subscription, undefined)}`.markup;
  const shown = [...page.matchAll(/data-copy="sudo ([^"]+)"/g)].map(([, line = ""]) =>
    line.replaceAll("&#39;", "'").replaceAll("&amp;", "&").replaceAll("&quot;", '"'),
  );
  const forKind = {
    dnf4: /^curl |--add-repo/,
    dnf5: /^curl |addrepo --from-repofile/,
    zypper: /^zypper addrepo/,
  }[kind];
  return shown.filter((line) => forKind.test(line));
}

async function listAll(trial: Trial): Promise<void> {
  await subscribeTo(trial, MANY_TARGETS);
  same("dev", await offered(trial), LISTED);
}

async function changeVersions(trial: Trial): Promise<void> {
  const { commands } = trial.client;
  await subscribeTo(trial, MANY_TARGETS);
  await good(trial, commands.install("hello", "1.0-1"));
  await good(trial, commands.install("epoch"));
  await good(trial, commands.install("odd+name"));
  const others = ["epoch-1.0-1.noarch", "odd+name-1.0~rc1^2.gab-1.noarch"];
  same("installed", await installed(trial), [...others, "hello-1.0-1.noarch"].toSorted());
  await good(trial, commands.upgrade);
  same("upgraded", await installed(trial), [...others, "hello-1.1-1.noarch"].toSorted());
  await good(trial, commands.downgrade("hello", "1.0-1"));
  same("downgraded", await installed(trial), [...others, "hello-1.0-1.noarch"].toSorted());
}

async function applySecurity(trial: Trial): Promise<void> {
  const { commands } = trial.client;
  await subscribeTo(trial, MANY_TARGETS);
  await good(trial, commands.install("hello", "1.0-1"));
  await good(trial, commands.install("tool", "1.0-1"));
  const { stdout } = await good(trial, commands.advisories);
  for (const id of ["ACME-2026-0001", "ACME-2026-0002"]) {
    if (!stdout.includes(id))
      throw new Error(`${commands.advisories} does not show ${id}:\n${stdout}`);
  }
  await good(trial, commands.upgradeSecurity);
  same("secured", await installed(trial), ["hello-1.1-1.noarch", "tool-1.0-1.noarch"]);
  await good(trial, commands.upgrade);
  same("upgraded", await installed(trial), ["hello-1.1-1.noarch", "tool-1.1-1.noarch"]);
}

async function showExtras(trial: Trial): Promise<string | void> {
  const { groups = "", modules = "" } = trial.client.commands;
  const isCrashing = await crashesAnyway(trial, groups);
  await subscribeTo(trial, MANY_TARGETS);
  const shown = [...(isCrashing ? [] : [[groups, "Greeters"]]), [modules, "greeting"]];
  for (const [line = "", word = ""] of shown) {
    const { output } = await good(trial, line);
    if (!output.includes(word)) throw new Error(`${line} does not show ${word}:\n${output}`);
  }
  return isCrashing ? `"${groups}" crashes on what createrepo_c makes, too` : undefined;
}

/** Debian 13's dnf does, on any groups; so it is asked about the same ones from createrepo_c. */
async function crashesAnyway(trial: Trial, line: string): Promise<boolean> {
  const { client } = trial;
  const repo = `${client.scratch}/others`;
  await client.reset();
  await good(trial, `rm -rf ${repo} && mkdir -p ${repo}`);
  await good(trial, `printf %s '${COMPS}' > ${repo}.xml && createrepo_c -q -g ${repo}.xml ${repo}`);
  await client.writeRepo(`[others]\nname=others\nbaseurl=file://${repo}\nenabled=1\ngpgcheck=0\n`);
  return (await client.run(line)).code > 128;
}

/** A channel for this client alone, since all clients are tried at once. */
async function makeChannel({ client, world }: Trial, use: string): Promise<string> {
  const name = `${use}-${client.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
  const json = { name };
  await world.settled(await world.yum.api<{ publishId: string | null }>("/api/channels", { json }));
  return name;
}

async function promoteAndUndo(trial: Trial): Promise<void> {
  const { client, world } = trial;
  const { commands } = client;
  const to = await makeChannel(trial, "own");
  const promote = (version: string) =>
    world.change({ kind: "promote", packages: [`hello-${version}-1`], from: MANY_TARGETS, to });
  await promote("1.0");
  await subscribeTo(trial, to);
  await good(trial, commands.install("hello"));
  same("before", await installed(trial), ["hello-1.0-1.noarch"]);
  await promote("1.1");
  await good(trial, commands.upgrade);
  same("promoted", await installed(trial), ["hello-1.1-1.noarch"]);
  await world.change({ kind: "undo", channel: to });
  same("undone", await offered(trial), ["hello-1.0-1.noarch"]);
  await good(trial, commands.follow);
  same("followed", await installed(trial), ["hello-1.0-1.noarch"]);
}

const REFRESHES = 8;

/** Index and signature come by two requests; here a generation comes between them often. */
async function refreshInChange(trial: Trial): Promise<void> {
  const { client, world } = trial;
  const to = await makeChannel(trial, "busy");
  const promote = (version: string) =>
    world.change({ kind: "promote", packages: [`hello-${version}-1`], from: MANY_TARGETS, to });
  await promote("1.0");
  await subscribeTo(trial, to);
  const stop = new AbortController();
  const change = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await promote("1.1");
      await world.change({ kind: "undo", channel: to });
    }
  };
  const changing = change();
  try {
    for (let i = 0; i < REFRESHES; i += 1) await good(trial, client.commands.refresh);
  } finally {
    stop.abort();
    await changing;
  }
}

async function readFrames(trial: Trial): Promise<void> {
  await subscribeTo(trial, FRAMES);
  same("frames", await offered(trial), FRAMED);
  await good(trial, trial.client.commands.install("framed", "1.0-1"));
  await good(trial, trial.client.commands.upgrade);
  same("installed", await installed(trial), ["framed-1.1-1.noarch"]);
}

async function readLayers(trial: Trial): Promise<void> {
  const { large } = trial.world;
  if (large.length === 0) return;
  const { commands } = trial.client;
  await subscribeTo(trial, LARGE);
  same("layers", await offered(trial), large);
  await good(trial, commands.install("race-00001"));
  await good(trial, commands.install("update"));
  same("installed", await installed(trial), ["race-00001-1.0-1.noarch", "update-1.0-1.noarch"]);
}

async function readSiblings(trial: Trial): Promise<void> {
  await subscribeTo(trial, MANY_TARGETS, `target=${X86}-debug`);
  same("debug", await offered(trial), ["hello-debuginfo-1.0-1.noarch"]);
  // zypper calls sources packages of another type.
  if (trial.client.kind === "zypper") return;
  await subscribeTo(trial, MANY_TARGETS, `target=${X86}-source`);
  const sources = await offered(trial);
  if (!sources.includes("tool-1.1-1.src")) throw new Error(`No source: ${sources.join(" ")}`);
}

async function readBaseurls(trial: Trial): Promise<void> {
  const { client, world } = trial;
  const target = `${world.yum.url}/yum/${MANY_TARGETS}/${X86}/`;
  for (const [address, expected] of [
    [target, LISTED],
    [`${target}g/1/`, ["hello-1.0-1.noarch"]],
  ] as const) {
    await client.reset();
    const key = `${world.yum.url}/yum/keys/tatara.asc`;
    const checks = `enabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=${key}\n`;
    await client.writeRepo(`[hand]\nname=hand\nbaseurl=${address}\n${checks}`);
    await good(trial, client.commands.refresh);
    same(address, await offered(trial), expected);
  }
}

async function readFamily(trial: Trial): Promise<void> {
  await subscribeTo(trial, MANY_TARGETS, "family=el");
  same("family", await offered(trial), LISTED);
}

/** What must end in a refusal: at the refresh, or, if late, not before the installation. */
interface Alteration {
  readonly late?: boolean;
  readonly alter: Altering;
}

const alterations = (otherKey: string): Readonly<Record<string, Alteration>> => ({
  "an index with other bytes": {
    alter: (path, bytes) => (path.endsWith("/repomd.xml") ? flipped(bytes) : bytes),
  },
  "an index without a signature": {
    alter: (path, bytes) => (path.endsWith("/repomd.xml.asc") ? undefined : bytes),
  },
  "a document with other bytes": {
    alter: (path, bytes) => (path.includes("-primary.") ? flipped(bytes) : bytes),
  },
  "a package with other bytes": {
    late: true,
    alter: (path, bytes) => (path.endsWith(".rpm") ? flipped(bytes) : bytes),
  },
  "an index signed by another key": {
    alter: (path, bytes) => (path.endsWith("/tatara.asc") ? Buffer.from(otherKey) : bytes),
  },
});

async function refuse(trial: Trial): Promise<void> {
  const { client, world } = trial;
  for (const [what, { late = false, alter }] of Object.entries(alterations(trial.otherKey))) {
    await using proxy = await startAlteringProxy(world.yum.url, alter);
    await client.reset();
    const reader = client.kind === "zypper" ? "&for=zypper" : "";
    const address = `${proxy.url}/yum/${MANY_TARGETS}.repo?target=${X86}${reader}`;
    await client.writeRepo(await (await fetch(address)).text());
    const refreshed = await client.run(client.commands.refresh);
    const isRefreshed = refreshed.code === 0;
    if (isRefreshed !== late) {
      throw new Error(`${what}: the refresh ended with ${refreshed.code}:\n${refreshed.output}`);
    }
    const { code, output } = await client.run(client.commands.install("hello"));
    if (code === 0) throw new Error(`${what}: the installation went through:\n${output}`);
    same(what, await installed(trial), []);
  }
}
