import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InfraFault } from "../../src/domain/faults.ts";
import { runCommand } from "./run-command.ts";

/** What the key's home gives out: the secret key for signing, the public one for everybody. */
export interface ExportedKey {
  readonly fingerprint: string;
  readonly secretKey: Buffer;
  readonly publicKey: string;
}

const KEY_NAME = "Tatara package signing";
const MAKE_TIMEOUT_MS = 300_000;
const GPG_TIMEOUT_MS = 30_000;

/**
 * Reads the signing key from its GnuPG home, and makes one at first start: RSA 4096, which every rpm
 * since EL7 can check; without a passphrase, since nobody is there to type it: the folder's mode
 * protects it; without an expiry, which would stop every publish one day.
 */
export async function readOrMakeKey(keysDir: string, signal: AbortSignal): Promise<ExportedKey> {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  await chmod(keysDir, 0o700);
  // The agent's socket is in the home, and a socket's path may have 107 bytes only.
  const folder = await mkdtemp(join(tmpdir(), "tatara-gpg-"));
  const home = join(folder, "home");
  try {
    await symlink(keysDir, home);
    const fingerprint = (await findKey(home, signal)) ?? (await makeKey(home, signal));
    const publicKey = await gpg(home, ["--armor", "--export", fingerprint], signal);
    const secretKey = await gpg(home, ["--export-secret-keys", fingerprint], signal);
    return { fingerprint, secretKey, publicKey: publicKey.toString("utf8") };
  } finally {
    await endAgent(home);
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The first key that can sign: an operator may have put in one of their own. If there are only
 * others, expired or revoked, no new one is made in silence: every host would have to trust it.
 */
async function findKey(home: string, signal: AbortSignal): Promise<string | undefined> {
  const listing = await gpg(home, ["--with-colons", "--list-secret-keys"], signal);
  const keys = listing
    .toString("utf8")
    .split(/^(?=sec:)/m)
    .filter((key) => key.startsWith("sec:"));
  const usable = keys.find((key) => !/^sec:[deir]/.test(key));
  if (usable === undefined && keys.length > 0) {
    throw new InfraFault("SIGNING_FAILED", "The signing key is expired, revoked or disabled.");
  }
  return /^fpr:(?:[^:]*:){8}([0-9A-F]{40}):/m.exec(usable ?? "")?.[1];
}

async function makeKey(home: string, signal: AbortSignal): Promise<string> {
  const request = ["--quick-generate-key", KEY_NAME, "rsa4096", "sign", "never"];
  await gpg(home, request, signal, MAKE_TIMEOUT_MS);
  const fingerprint = await findKey(home, signal);
  if (fingerprint === undefined) throw new InfraFault("SIGNING_FAILED", "gpg made no key.");
  return fingerprint;
}

async function gpg(
  home: string,
  args: readonly string[],
  signal: AbortSignal,
  timeoutMs = GPG_TIMEOUT_MS,
): Promise<Buffer> {
  const quiet = ["--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""];
  const options = { timeoutMs, env: { GNUPGHOME: home } };
  const { code, stdout, stderr } = await runCommand("gpg", [...quiet, ...args], options, signal);
  if (code === 0) return stdout;
  throw new InfraFault("SIGNING_FAILED", `gpg ended with ${code}: ${stderr.trim().slice(-500)}`);
}

/** An agent would live on with the key in its memory. Ending it must not depend on why we stop. */
async function endAgent(home: string): Promise<void> {
  const options = { timeoutMs: GPG_TIMEOUT_MS, env: { GNUPGHOME: home } };
  const limit = AbortSignal.timeout(GPG_TIMEOUT_MS);
  // If it cannot be ended, it ends by itself once the socket's folder is gone.
  await runCommand("gpgconf", ["--kill", "gpg-agent"], options, limit).catch(() => undefined);
}
