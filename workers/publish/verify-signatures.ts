import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { InfraFault } from "../../src/domain/faults.ts";
import { dearmour } from "./openpgp.ts";
import { writeSynced } from "./durable.ts";
import { runCommand, runConfined } from "./run-command.ts";

/** Readers that share no code with the signer, and hold nothing but the published key. */
export interface Verifier {
  /** rpm's own check. Throws `SIGNING_FAILED` if one signature does not hold. */
  packages(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** gpg's check of a detached signature. */
  detached(path: string, signaturePath: string, signal: AbortSignal): Promise<void>;
}

const CHECK_TIMEOUT_MS = 120_000;

/** `folder` is made; `publicKey` is the armoured text that clients get. */
export async function openVerifier(folder: string, publicKey: string): Promise<Verifier> {
  await mkdir(folder, { recursive: true });
  await writeSynced(join(folder, "tatara.key"), publicKey);
  await writeSynced(join(folder, "tatara.gpg"), dearmour(publicKey));
  return {
    packages: (paths, signal) => verifyPackages(folder, paths, signal),
    detached: (path, signaturePath, signal) => verifyDetached(folder, path, signaturePath, signal),
  };
}

async function verifyPackages(
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (paths.length === 0) return;
  const files = await Promise.all(paths.map((path) => open(path, "r")));
  try {
    const names = files.map((_, i) => `/proc/self/fd/${i + 3}`);
    // The child may not be allowed to walk to the folder, but it stands in it.
    const keyring = ["--define", "_keyring fs", "--define", "_keyringpath /proc/self/cwd"];
    const level = ["--define", "_pkgverify_level signature"];
    const options = { cwd: folder, timeoutMs: CHECK_TIMEOUT_MS, files: files.map(({ fd }) => fd) };
    const args = [...keyring, ...level, "--checksig", ...names];
    const { code, stdout } = await runConfined("rpmkeys", args, options, signal);
    // Its exit code alone once said yes to unsigned files, so each line must say it as well.
    const lines = stdout.toString("utf8");
    const good = lines.match(/: digests signatures OK$/gm)?.length ?? 0;
    if (code === 0 && good === paths.length) return;
    throw new InfraFault("SIGNING_FAILED", `rpm refuses a signature we made: ${lines}`);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

async function verifyDetached(
  folder: string,
  path: string,
  signaturePath: string,
  signal: AbortSignal,
): Promise<void> {
  const args = ["--keyring", join(folder, "tatara.gpg"), signaturePath, path];
  const options = { timeoutMs: CHECK_TIMEOUT_MS, env: { GNUPGHOME: folder } };
  const { code, stderr } = await runCommand("gpgv", args, options, signal);
  if (code === 0) return;
  throw new InfraFault("SIGNING_FAILED", `gpg refuses a signature we made: ${stderr}`);
}
