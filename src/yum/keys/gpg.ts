import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { InfraFault } from "../../domain/faults.ts";

/** A GnuPG home with secret keys in it, open for some commands. */
export interface GpgHome {
  /** Every key with a secret part, in gpg's order. */
  list(): Promise<readonly GpgKey[]>;
  /** RSA 4096 without passphrase and expiry. Answers its fingerprint. */
  make(): Promise<string>;
  importFile(path: string): Promise<void>;
  /** Armoured, without the signatures of others. */
  exportPublic(fingerprint: string): Promise<string>;
  /** Throws if the key has a passphrase. */
  exportSecret(fingerprint: string, form: "binary" | "armoured"): Promise<Buffer>;
}

export interface GpgKey {
  readonly fingerprint: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** Not expired, revoked or disabled. */
  readonly isUsable: boolean;
  readonly isRsa: boolean;
  readonly bits: number;
  /** The primary key itself, not only a subkey. */
  readonly canSign: boolean;
  /** False for one whose secret part is elsewhere, on a card or offline. */
  readonly hasSecret: boolean;
}

const exec = promisify(execFile);
const KEY_NAME = "Tatara package signing";
const MAKE_TIMEOUT_MS = 300_000;
const GPG_TIMEOUT_MS = 30_000;
const OUTPUT_BYTES_MAX = 2 ** 22;
/** For programs that need nothing of ours. */
export const PLAIN_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", HOME: "/" };
const QUIET = ["--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""];

/** Makes the folder if there is none. No agent is left behind, which would keep keys in memory. */
export async function withGpgHome<T>(
  folder: string,
  work: (home: GpgHome) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  // The agent's socket is in the home, and a socket's path may have 107 bytes only.
  const near = await mkdtemp(join(tmpdir(), "tatara-gpg-"));
  const home = join(near, "home");
  try {
    await symlink(folder, home);
    return await work(openHome(home, signal));
  } finally {
    await endAgent(home);
    await rm(near, { recursive: true, force: true });
  }
}

function openHome(home: string, signal: AbortSignal): GpgHome {
  const gpg = (args: readonly string[], timeoutMs = GPG_TIMEOUT_MS) =>
    runGpg(home, args, timeoutMs, signal);
  return {
    list: async () => parseKeys((await gpg(["--with-colons", "--list-secret-keys"])).stdout),
    make: async () => {
      // `--yes`: the next key has the same name as the present one.
      const request = ["--yes", "--quick-generate-key", KEY_NAME, "rsa4096", "sign", "never"];
      const { stdout } = await gpg(["--status-fd", "1", ...request], MAKE_TIMEOUT_MS);
      const made = /^\[GNUPG:\] KEY_CREATED P ([0-9A-F]{40})/m.exec(stdout.toString("utf8"))?.[1];
      if (made === undefined) throw new InfraFault("SIGNING_FAILED", "gpg made no key.");
      return made;
    },
    importFile: async (path) => void (await gpg(["--import", "--", path])),
    exportPublic: async (fingerprint) => {
      const minimal = ["--armor", "--export-options", "export-minimal"];
      const { stdout } = await gpg([...minimal, "--export", fingerprint]);
      return stdout.toString("utf8");
    },
    exportSecret: async (fingerprint, form) => {
      const armour = form === "armoured" ? ["--armor"] : [];
      return (await gpg([...armour, "--export-secret-keys", fingerprint])).stdout;
    },
  };
}

async function runGpg(
  home: string,
  args: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ readonly stdout: Buffer }> {
  const limits = {
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: OUTPUT_BYTES_MAX,
  } as const;
  const env = { ...PLAIN_ENV, GNUPGHOME: home };
  try {
    return await exec("gpg", [...QUIET, ...args], { ...limits, env, signal, encoding: "buffer" });
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr, code } = cause as { readonly stderr?: Buffer; readonly code?: unknown };
    const why = stderr?.toString("utf8").trim().slice(-500) ?? "";
    throw new InfraFault("SIGNING_FAILED", `gpg ended with ${String(code)}: ${why}`, { cause });
  }
}

/** Ending it must not depend on why we stop. */
async function endAgent(home: string): Promise<void> {
  const env = { ...PLAIN_ENV, GNUPGHOME: home };
  // If it cannot be ended, it ends by itself once the socket's folder is gone.
  await exec("gpgconf", ["--kill", "gpg-agent"], { env, timeout: GPG_TIMEOUT_MS }).catch(
    () => undefined,
  );
}

/** The fields are described in GnuPG's doc/DETAILS. */
function parseKeys(listing: Buffer): readonly GpgKey[] {
  const records = listing
    .toString("utf8")
    .split(/^(?=sec:)/m)
    .filter((record) => record.startsWith("sec:"));
  return records.map((record) => {
    const fields = (record.split("\n", 1)[0] ?? "").split(":");
    const [, validity = "", bits = "", algorithm, , created = "", expires = ""] = fields;
    return {
      fingerprint: /^fpr:(?:[^:]*:){8}([0-9A-F]{40}):/m.exec(record)?.[1] ?? "",
      createdAt: Number(created) * 1_000,
      expiresAt: expires === "" ? null : Number(expires) * 1_000,
      isUsable: !/[deir]/.test(validity),
      isRsa: algorithm === "1",
      bits: Number(bits),
      canSign: (fields[11] ?? "").includes("s"),
      hasSecret: (fields[14] ?? "+") === "+",
    };
  });
}
