import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DATA_LOCK_FILES, holdData } from "../../shared/data-lock.ts";
import { readCopy, type CopyFacts } from "../../shared/database-copy.ts";
import { yumLayout } from "../../yum/layout.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { digestOf, forEachInLanes, putBack } from "./copy-file.ts";
import { explainTrouble } from "./explain-trouble.ts";
import { CACHES, DATABASE } from "./find-files.ts";
import { folderMaker, makeFolder } from "./folders.ts";
import type { BackupEntry, Manifest } from "./manifest.ts";
import { refuseRunning } from "./refuse-running.ts";

const LANES = 8;
/**
 * Which backup, and of when. While it is there, no server starts: half of the files would look like all
 * of them.
 */
export const UNFINISHED = "restore-unfinished";
/**
 * Numbers that may have been served since the backup was taken: what hosts and caches have under them
 * is not ours to say any more, so none of them is used again.
 */
const NUMBERS_SKIPPED = 1_000;

export interface Backup {
  readonly folder: string;
  readonly manifest: Manifest;
}

export interface Restored {
  readonly files: number;
  readonly bytes: number;
  readonly facts: CopyFacts;
}

/** Reads every file of a backup. Answers the paths of those that are not what they were. */
export async function checkBackup(
  { folder, manifest }: Backup,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const bad: string[] = [];
  await forEachInLanes(manifest.entries.values(), LANES, async ({ path, sha256 }) => {
    signal.throwIfAborted();
    if ((await digestOf(folder, path)) !== sha256) bad.push(path);
  });
  if (bad.length > 0 || !manifest.entries.has(DATABASE)) return bad;
  return readCopy(join(folder, DATABASE)).damage.map((line) => `${DATABASE}: ${line}`);
}

/**
 * Puts a backup into a data folder in which nothing is, or nothing but yum files that it goes beside.
 * The database comes last. Killed at any point, the same command does it again.
 */
export async function restoreBackup(
  backup: Backup,
  dataDir: string,
  { besideYum, signal }: { readonly besideYum: boolean; readonly signal: AbortSignal },
): Promise<Restored> {
  try {
    await refuseRunning(dataDir, signal);
    await refuseOverwriting(backup, dataDir, besideYum);
    await makeDataDir(backup, dataDir);
    return await restoreHeld(backup, dataDir, { besideYum, signal });
  } catch (err) {
    const after = "then the same command again";
    throw explainTrouble(err, { what: "The restore was not finished", place: dataDir, after });
  }
}

async function makeDataDir({ manifest }: Backup, dataDir: string): Promise<void> {
  const isNew = await stat(dataDir).then(
    () => false,
    () => true,
  );
  await makeFolder(dataDir);
  if (isNew) await chmod(dataDir, manifest.header.folders?.[""] ?? 0o700);
}

async function restoreHeld(
  backup: Backup,
  dataDir: string,
  { besideYum, signal }: { readonly besideYum: boolean; readonly signal: AbortSignal },
): Promise<Restored> {
  const lock = holdData(dataDir);
  if (lock === undefined) {
    const hint = "wait until the other one is done, or set TATARA_DATA_DIR to an empty folder";
    throw new CommandError(EXIT.usage, `Another restore, or a server, uses ${dataDir}.`, hint);
  }
  try {
    // As it is now that nobody else writes.
    await refuseOverwriting(backup, dataDir, besideYum);
    return await restoreAlone(backup, dataDir, { besideYum, signal });
  } finally {
    lock.release();
  }
}

async function restoreAlone(
  backup: Backup,
  dataDir: string,
  { besideYum, signal }: { readonly besideYum: boolean; readonly signal: AbortSignal },
): Promise<Restored> {
  const { takenAt } = backup.manifest.header;
  const told = `${backup.folder}\n${takenAt}\n`;
  await writeFile(join(dataDir, UNFINISHED), told, { mode: 0o600, flush: true });
  const entries = [...backup.manifest.entries.values()];
  const files = entries.filter(({ path }) => path !== DATABASE);
  const bad: string[] = [];
  let put = 0;
  const makeFoldersOf = folderMaker(dataDir, backup.manifest.header.folders);
  await forEachInLanes(files, LANES, async (entry) => {
    signal.throwIfAborted();
    if (besideYum && (await isThereAlready(dataDir, entry))) return;
    await makeFoldersOf(entry.path);
    if (await putBack(join(backup.folder, entry.path), join(dataDir, entry.path), entry)) put += 1;
    else bad.push(entry.path);
  });
  const database = backup.manifest.entries.get(DATABASE);
  if (database === undefined) bad.push(DATABASE);
  if (bad.length > 0) throw damaged(backup, dataDir, bad);
  if (!besideYum) await skipNumbers(dataDir, readCopy(join(backup.folder, DATABASE)).heads);
  if (database !== undefined) await putDatabase(backup, dataDir, database);
  await rm(join(dataDir, UNFINISHED));
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { files: put + 1, bytes, facts: readCopy(join(dataDir, DATABASE)) };
}

/** Yum files are named by what is in them, but for the keys' public side, which the keys make. */
async function isThereAlready(dataDir: string, { path, sizeBytes }: BackupEntry): Promise<boolean> {
  if (!path.startsWith("yum/")) return false;
  const found = await stat(join(dataDir, path)).catch(() => undefined);
  return found?.size === sizeBytes;
}

async function putDatabase(backup: Backup, dataDir: string, entry: BackupEntry): Promise<void> {
  const part = join(dataDir, `${DATABASE}.restored`);
  if (!(await putBack(join(backup.folder, DATABASE), part, { ...entry, mode: 0o600 }))) {
    throw damaged(backup, dataDir, [DATABASE]);
  }
  const { damage } = readCopy(part);
  if (damage.length > 0) throw damaged(backup, dataDir, damage.slice(0, 3));
  await rename(part, join(dataDir, DATABASE));
}

async function skipNumbers(dataDir: string, heads: ReadonlyMap<string, number>): Promise<void> {
  const layout = yumLayout(join(dataDir, "yum"));
  for (const [channel, head] of heads) {
    if (head === 0) continue;
    const folder = layout.generations(channel);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${head + NUMBERS_SKIPPED}.used`), "", { flush: true });
  }
}

async function refuseOverwriting(
  backup: Backup,
  dataDir: string,
  besideYum: boolean,
): Promise<void> {
  const names = await readdir(dataDir).catch((): string[] => []);
  if (names.includes(UNFINISHED)) return await refuseMixing(backup, dataDir);
  for (const name of names) {
    if (DATA_LOCK_FILES.includes(name) || (besideYum && name === "yum")) continue;
    if (CACHES.includes(name) || !(await hasFiles(join(dataDir, name)))) continue;
    const hint =
      name === "yum"
        ? "--beside-yum keeps the packages that are there and restores the rest"
        : "move what is there away, or set TATARA_DATA_DIR to an empty folder";
    throw new CommandError(EXIT.usage, `${dataDir} is not empty: it has ${name}.`, hint);
  }
}

/**
 * A restore was cut short. All that it wrote is written again by the same backup; another one would
 * leave what only the first had, such as branches that nobody pushed.
 */
async function refuseMixing({ folder, manifest }: Backup, dataDir: string): Promise<void> {
  const text = await readFile(join(dataDir, UNFINISHED), "utf8").catch(() => "");
  const [first = "", takenAt] = text.split("\n");
  const isSame = takenAt ? takenAt === manifest.header.takenAt : first === folder;
  if (isSame) return;
  const hint = `tatara restore ${first}; or empty ${dataDir} first`;
  throw new CommandError(
    EXIT.usage,
    `${dataDir} is half restored from another backup, ${first}.`,
    hint,
  );
}

/** Mount points and folders of nothing but folders are empty. */
async function hasFiles(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return found !== undefined;
  for (const name of await readdir(path)) {
    if (name !== "lost+found" && (await hasFiles(join(path, name)))) return true;
  }
  return false;
}

function damaged({ folder }: Backup, dataDir: string, bad: readonly string[]): CommandError {
  const more = bad.length > 3 ? ` and ${bad.length - 3} more` : "";
  const what = `${bad.slice(0, 3).join(", ")}${more}`;
  const message = `The backup is damaged: ${what}. No server starts on this half.`;
  const hint =
    `empty ${dataDir} (but for yum, if you kept that), then restore an older backup; ` +
    `\`tatara restore --check ${folder}\` names every damaged file`;
  return new CommandError(EXIT.failed, message, hint);
}
