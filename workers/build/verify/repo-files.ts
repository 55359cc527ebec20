import type { YumSource } from "../../../src/shared/config.ts";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";

const ANSWER_TIMEOUT_MS = 30_000;

export interface RepoFilesWish {
  /** Address under which a container reaches the server's yum files. */
  readonly url: string;
  readonly target: string;
  /** The build's own channel. */
  readonly channel: string;
  /** Channels to upgrade from; those that have nothing for the target are left out. */
  readonly previous: readonly string[];
  /** What `repos:` names: channels, and yum sources of the server. */
  readonly extra: readonly string[];
  readonly sources: readonly YumSource[];
}

export interface RepoFiles {
  /** File name in /etc/yum.repos.d → content. */
  readonly files: Readonly<Record<string, string>>;
  /** Of the wished ones, those that exist for the target. */
  readonly previous: readonly string[];
}

/** What `dnf` needs to know of the channels, each as its own `.repo` file from the server. */
export async function repoFiles(wish: RepoFilesWish, signal: AbortSignal): Promise<RepoFiles> {
  const { channel, extra, sources } = wish;
  const files: Record<string, string> = {};
  const own = await repoFileOf(channel, wish, signal);
  if (own === undefined)
    throw new Error(`The server has no channel ${channel} for ${wish.target}.`);
  files["tatara-build.repo"] = own;

  const found: string[] = [];
  for (const name of wish.previous) {
    const text = await repoFileOf(name, wish, signal);
    if (text === undefined) continue;
    files[`tatara-previous-${name}.repo`] = text;
    found.push(name);
  }
  for (const name of extra) {
    const source = sources.find((each) => each.name === name);
    const text = source ? sourceFile(source) : await repoFileOf(name, wish, signal);
    if (text === undefined) throw noSource(name, wish.target);
    // Whatever is asked for is open to both the installation and the upgrade, so it has another name.
    files[`extra-${name}.repo`] = text.replaceAll(/^\[tatara-/gm, "[extra-");
  }
  return { files, previous: found };
}

async function repoFileOf(
  channel: string,
  { url, target }: RepoFilesWish,
  signal: AbortSignal,
): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  const query = new URLSearchParams({ target }).toString();
  const address = `${url}/yum/${channel}.repo?${query}`;
  const response = await fetch(address, { signal: limit }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new InfraFault("CANNOT_FETCH", `The server does not answer for ${channel}.repo.`, {
      cause,
    });
  });
  const text = await response.text();
  if (response.ok) return text;
  if (response.status === 404 || response.status === 300) return undefined;
  const what = `The server answered ${response.status} for ${channel}.repo: ${text.slice(0, 200)}`;
  if (response.status >= 500) throw new InfraFault("CANNOT_FETCH", what);
  throw new Error(what);
}

function sourceFile({ name, url }: YumSource): string {
  const lines = [`[extra-${name}]`, `name=${name}`, `baseurl=${url}`, "enabled=1", "gpgcheck=0"];
  return `${lines.join("\n")}\n`;
}

function noSource(name: string, target: string): UserFault {
  return new UserFault("VERIFY_FAILED", `"${name}" in repos has nothing for ${target}.`, {
    hint: "Name a channel that has packages for this target, or a yum source of this server.",
  });
}
