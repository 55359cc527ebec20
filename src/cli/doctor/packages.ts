import { join } from "node:path";
import { readKeyStatus } from "../../yum/keys/key-status.ts";
import type { KeyStatus } from "../../yum/keys/key-status.ts";
import type { ApiClient } from "../api-client.ts";
import { channelApi } from "../channel-api.ts";
import type { ApiChannel } from "../channel-api.ts";
import { readRepoFile } from "../channel/channel-content.ts";
import { CommandError } from "../exit-codes.ts";
import { readSigningKey } from "../signing-key.ts";
import { checksOf } from "./check.ts";
import type { Check } from "./check.ts";
import { makecache } from "./dnf-makecache.ts";

const { ok, warn, fail } = checksOf("Packages");
/** The newest ones: each takes a second or two. */
const TARGETS_MAX = 6;
const MAKECACHE = "dnf makecache in a clean root";

/** Nothing is said of channels where the token is not accepted: that is another check's failure. */
export async function checkPackages(
  api: ApiClient,
  dataDir: string,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const [keys, channels] = await Promise.all([
    checkKeys(api.url, dataDir, signal),
    checkChannels(api, signal),
  ]);
  return [...keys, ...channels];
}

async function checkKeys(
  url: string,
  dataDir: string,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const served = await readSigningKey(url, signal);
  if (served === undefined) {
    return [warn("signing key", "none yet: the publish worker makes it at its first start")];
  }
  const status = await readKeyStatus(join(dataDir, "yum", "keys"));
  // Another server's data folder, or none: then the key's expiry is not known here.
  if (status?.fingerprint !== served.fingerprint) return [ok("signing key", served.fingerprint)];
  const overdue = new Set(status.warnings.map(({ fingerprint }) => fingerprint));
  return [
    ...(overdue.has(status.fingerprint) ? [] : [ok("signing key", keySaid(status))]),
    ...(status.next === null ? [] : [ok("next key", nextSaid(status.next))]),
    ...status.warnings.map((warning) => keyCheck(warning)),
  ];
}

function keySaid({ fingerprint, expiresAt }: KeyStatus): string {
  return `${fingerprint}, ${expiresAt === null ? "never expires" : `expires ${day(expiresAt)}`}`;
}

function nextSaid(next: NonNullable<KeyStatus["next"]>): string {
  return `${next.fingerprint} signs from ${day(next.signsFrom)}`;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function keyCheck({ code, message, hint }: KeyStatus["warnings"][number]): Check {
  return (code === "KEY_EXPIRES" ? warn : fail)("signing key", message, hint);
}

/** As a host sees them: real dnf, with both signature checks on. */
async function checkChannels(api: ApiClient, signal: AbortSignal): Promise<readonly Check[]> {
  const channels = await channelApi(api)
    .channels()
    .catch((err: unknown) => {
      if (err instanceof CommandError) return [];
      throw err;
    });
  const checks: Check[] = [];
  for (const place of newestTargets(channels)) {
    const check = await checkTarget(api, place, signal);
    if (check === undefined) return [warn("channels", "not tried: dnf is not installed here")];
    checks.push(check);
  }
  return checks;
}

interface Place {
  readonly channel: string;
  readonly target: string;
}

function newestTargets(channels: readonly ApiChannel[]): readonly Place[] {
  return channels
    .filter(({ head }) => head > 0)
    .toSorted((a, b) => Date.parse(b.updatedAt) - Date.parse(a.updatedAt))
    .flatMap(({ name, targets }) => targets.map((one) => ({ channel: name, target: one.name })))
    .filter(({ target }) => !/-(?:source|debug)$/.test(target))
    .slice(0, TARGETS_MAX);
}

/** Undefined where there is no dnf. */
async function checkTarget(
  api: ApiClient,
  { channel, target }: Place,
  signal: AbortSignal,
): Promise<Check | undefined> {
  const startedAt = performance.now();
  try {
    const text = await readRepoFile(api, channel, target, signal);
    const end = await makecache(text, signal);
    if (end === "no-dnf") return undefined;
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    if (end === "ok") return ok("channel", `${channel}, ${target}: ${MAKECACHE}, ${seconds} s`);
    const problem = `${channel}, ${target}: ${end.problem}`;
    return fail("channel", problem, `tatara channel verify ${channel} --target ${target}`);
  } catch (err) {
    signal.throwIfAborted();
    const why = err instanceof Error ? err.message : String(err);
    return fail("channel", `${channel}, ${target}: ${why}`, `tatara channel file ${channel}`);
  }
}
