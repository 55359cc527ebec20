import { UserFault } from "../../../src/domain/faults.ts";
import type { YumSource } from "../../../src/shared/config.ts";
import type { NetworkHandle } from "../engine.ts";
import { openYumFiles } from "../verify/yum-relay.ts";

const ANSWER_TIMEOUT_MS = 30_000;

export interface BuildReposWish {
  /** What `repos` names: yum sources of this server, or channels. */
  readonly names: readonly string[];
  readonly target: string;
  /** Of the container that installs. */
  readonly network: NetworkHandle;
  readonly serverUrl: string;
  readonly sources: readonly YumSource[];
}

/** Yum repositories that build requirements may come from. */
export interface BuildRepos extends AsyncDisposable {
  /** File name in /etc/yum.repos.d → content. */
  readonly files: Readonly<Record<string, string>>;
}

/** Channels are reached by a relay on the container's own network, for as long as this is open. */
export async function openBuildRepos(
  wish: BuildReposWish,
  signal: AbortSignal,
): Promise<BuildRepos> {
  const files: Record<string, string> = {};
  const channels: string[] = [];
  for (const name of wish.names) {
    const source = wish.sources.find((each) => each.name === name);
    if (source === undefined) channels.push(name);
    else files[`extra-${name}.repo`] = sourceFile(source);
  }
  if (channels.length === 0) return { files, [Symbol.asyncDispose]: async () => undefined };
  // A closed network lets no container out to the server.
  if (wish.network.egress !== "internet") throw unreachable(channels);
  const relay = await openYumFiles(wish.network, wish.serverUrl);
  try {
    for (const name of channels) {
      const text = await readRepoFile(`${relay.url}/yum/${name}.repo`, wish.target, signal);
      if (text === undefined) throw nothingThere(name, wish.target);
      files[`extra-${name}.repo`] = text;
    }
  } catch (err) {
    await relay[Symbol.asyncDispose]();
    throw err;
  }
  return { files, [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose]() };
}

function sourceFile({ name, url }: YumSource): string {
  return `[extra-${name}]\nname=${name}\nbaseurl=${url}\nenabled=1\ngpgcheck=0\n`;
}

async function readRepoFile(
  address: string,
  target: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  const response = await fetch(`${address}?${new URLSearchParams({ target }).toString()}`, {
    signal: limit,
  });
  const text = await response.text();
  if (response.ok) return text;
  if (response.status === 404 || response.status === 300) return undefined;
  throw new Error(`The server answered ${response.status} for ${address}.`);
}

function nothingThere(name: string, target: string): UserFault {
  return new UserFault("BUILD_REQUIRES_MISSING", `"${name}" in repos has nothing for ${target}.`, {
    hint: "Name a channel that has packages for this target, or a yum source of this server.",
    file: ".tatara.yml",
  });
}

function unreachable(names: readonly string[]): UserFault {
  const message = `${names.join(", ")} in repos cannot be reached without a network.`;
  return new UserFault("BUILD_REQUIRES_MISSING", message, {
    hint: "Channels in `repos` need a network for the package step.",
    file: ".tatara.yml",
  });
}
