import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { openDatabase } from "../../src/server/store/database.ts";

const ROOT = resolve(import.meta.dirname, "../..");

export interface BackupFolder extends AsyncDisposable {
  readonly dir: string;
  readonly dataDir: string;
  /** `bin/tatara` as somebody types it, in the data folder unless `env` says another. */
  tatara(args: readonly string[], world?: BackupWorld): Promise<BackupEnd>;
}

interface BackupWorld {
  readonly env?: Readonly<Record<string, string>>;
  /** By number; without it, who runs the test. */
  readonly user?: number;
}

export interface BackupEnd {
  /** Null: it had to be killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const LONGEST_MS = 120_000;

/** A data folder with a database and a few files of each kind; nothing runs on it. */
export async function aBackupFolder(): Promise<BackupFolder> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-backup-folder-"));
  await chmod(dir, 0o755);
  const dataDir = join(dir, "data");
  await mkdir(dataDir, { mode: 0o700 });
  await (await openDatabase(join(dataDir, "tatara.db"))).destroy();
  const files: readonly (readonly [string, number])[] = [
    ["keys/rotation.json", 0o700],
    ["git/acme/tiny.git/HEAD", 0o700],
    ["logs/b-1/test.log", 0o700],
    ["yum/keys/tatara.asc", 0o755],
  ];
  for (const [path, mode] of files) {
    await mkdir(join(dataDir, dirname(path)), { recursive: true });
    for (let at = dirname(path); at !== "."; at = dirname(at)) await chmod(join(dataDir, at), mode);
    await writeFile(join(dataDir, path), `${path}\n`);
  }
  return {
    dir,
    dataDir,
    tatara: (args, { env = {}, user } = {}) =>
      run([join(ROOT, "bin/tatara"), ...args], user, {
        PATH: process.env["PATH"] ?? "",
        HOME: dir,
        TATARA_DATA_DIR: dataDir,
        ...env,
      }),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

async function run(
  words: readonly string[],
  user: number | undefined,
  env: Readonly<Record<string, string>>,
): Promise<BackupEnd> {
  const as =
    user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups"];
  const [command = "", ...args] = [...as, ...words];
  return await new Promise((done) => {
    const options = { env, timeout: LONGEST_MS, killSignal: "SIGKILL" } as const;
    const child = execFile(command, args, options, (_, stdout, stderr) =>
      done({ code: child.exitCode, stdout, stderr }),
    );
  });
}
