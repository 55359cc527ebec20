import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { KeyContext } from "../../src/yum/keys/key-changes.ts";
import { keyFolders } from "../../src/yum/keys/key-store.ts";

const exec = promisify(execFile);

/** A data folder for keys alone, with a clock that the test sets. */
export interface KeyFolder extends AsyncDisposable {
  readonly dataDir: string;
  readonly keys: KeyContext;
  /** The text of a file that everybody may read, e.g. `tatara.asc`. */
  served(name: string): Promise<string>;
  /** What the served file has, in its order. */
  servedKeys(): Promise<readonly string[]>;
  /** The folder's clock is that much ahead of ours: gpg goes by ours. */
  readonly clock: { aheadMs: number };
}

export async function makeKeyFolder(from?: string): Promise<KeyFolder> {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-key-folder-"));
  const clock = { aheadMs: 0 };
  const folders = keyFolders(dataDir);
  if (from !== undefined) await cp(from, folders.keysDir, { recursive: true });
  const served = (name: string) => readFile(join(folders.publicDir, name), "utf8");
  return {
    dataDir,
    keys: { ...folders, now: () => Date.now() + clock.aheadMs },
    clock,
    served,
    servedKeys: async () => fingerprintsIn(await served("tatara.asc")),
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  };
}

export interface KeyWish {
  readonly name?: string;
  /** As gpg has it: `rsa2048`, `ed25519`. */
  readonly algorithm?: string;
  /** As gpg has it: `never`, `seconds=1000`. */
  readonly expires?: string;
  readonly passphrase?: string;
  readonly usage?: string;
  /** The clock at which it is made, as `20200101T000000`. */
  readonly at?: string;
}

/** A file with a secret key that somebody made with gpg, and a public one beside it. */
export async function makeKeyFile(
  folder: string,
  wish: KeyWish = {},
): Promise<{ readonly secret: string; readonly public: string; readonly fingerprint: string }> {
  const { name = "Operator", algorithm = "rsa2048", expires = "never", usage = "sign" } = wish;
  return await inGpgHome(async (gpg) => {
    const loopback = ["--pinentry-mode", "loopback", "--passphrase", wish.passphrase ?? ""];
    const clock = wish.at === undefined ? [] : ["--faked-system-time", wish.at];
    const make = [...clock, ...loopback, "--quick-generate-key", name, algorithm, usage, expires];
    await gpg(...make);
    const [fingerprint = ""] = fingerprintsOf(await gpg("--with-colons", "--list-keys"));
    const file = join(folder, fingerprint);
    await writeFile(`${file}.pub`, await gpg("--armor", "--export"));
    const secret = await gpg(...loopback, "--armor", "--export-secret-keys");
    await writeFile(`${file}.asc`, secret, { mode: 0o600 });
    return { secret: `${file}.asc`, public: `${file}.pub`, fingerprint };
  });
}

/** The keys in an armoured text, as gpg reads it. */
export async function fingerprintsIn(text: string): Promise<readonly string[]> {
  return await inGpgHome(async (gpg, home) => {
    const file = join(home, "keys.asc");
    await writeFile(file, text);
    return fingerprintsOf(await gpg("--with-colons", "--show-keys", file));
  });
}

/** gpg in a home of its own; its agent ends with it. */
export async function inGpgHome<T>(
  work: (gpg: (...args: string[]) => Promise<string>, home: string) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), "tatara-gpg-test-"));
  const options = { env: { ...process.env, GNUPGHOME: home } };
  const gpg = async (...args: string[]): Promise<string> =>
    (await exec("gpg", ["--batch", "--yes", ...args], options)).stdout;
  try {
    return await work(gpg, home);
  } finally {
    await exec("gpgconf", ["--kill", "all"], options);
    await rm(home, { recursive: true, force: true });
  }
}

/** Living children of this process, by name. */
export async function childrenNamed(...names: string[]): Promise<readonly number[]> {
  return await childrenOf(process.pid, names);
}

export async function childrenOf(
  parent: number,
  names: readonly string[],
): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(join("/proc", pid, "stat"), "utf8").catch(() => ""); // It ended.
      const [, name = "", state, ppid] = /^\d+ \((.*)\) (\S) (\d+)/.exec(text) ?? [];
      const isOurs = Number(ppid) === parent && state !== "Z" && names.includes(name);
      return isOurs ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

function fingerprintsOf(listing: string): readonly string[] {
  const primary = listing.matchAll(/^(?:pub|sec):.*\n(?:.*\n)*?fpr:{9}([0-9A-F]{40}):/gm);
  return [...primary].map(([, fingerprint]) => fingerprint ?? "");
}
