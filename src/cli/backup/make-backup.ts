import { access, chmod, constants, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copyDatabase, readCopy } from "../../shared/database-copy.ts";
import { syncPath } from "../../shared/durable.ts";
import { VERSION } from "../../shared/version.ts";
import { withRingLock } from "../../yum/keys/key-store.ts";
import { yumLayout } from "../../yum/layout.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { copyFile, forEachInLanes, linkFile } from "./copy-file.ts";
import { explainTrouble } from "./explain-trouble.ts";
import { DATABASE, filesBelow, isLeftOut, packsOf } from "./find-files.ts";
import { isWithin, makeFolder, readFolderModes } from "./folders.ts";
import { readManifest, writeManifest, type BackupEntry, type Manifest } from "./manifest.ts";

const LANES = 8;
/** A repository that is packed anew while it is copied is looked at again. */
const GIT_ROUNDS_MAX = 5;
/** Small, secret or replaced in place: copied each time, whatever its time says. */
const ALWAYS_COPIED = /^(secret-key|admin-token|keys\/|yum\/keys\/)/;
export const BACKUP_NAME = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}Z$/;

export interface Made {
  readonly folder: string;
  readonly files: number;
  readonly bytes: number;
  /** What had not changed since the backup before is there under a second name. */
  readonly linkedFiles: number;
  readonly builds: number;
  /** What the database names and the data folder does not have. */
  readonly missing: readonly string[];
}

/**
 * Makes `<into>/<time>/` of a data folder whose Tatara may run. The database comes first: whatever it
 * names was on disk before it was named and is immutable, so it is there when the files are copied.
 */
export async function makeBackup(
  dataDir: string,
  into: string,
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): Promise<Made> {
  await stat(join(dataDir, DATABASE)).catch(() => {
    const hint = "set TATARA_DATA_DIR to the folder of your Tatara";
    throw new CommandError(EXIT.usage, `${dataDir} has no database ${DATABASE}.`, hint);
  });
  const what = "The backup was not made";
  const takenAt = new Date(now()).toISOString();
  const name = takenAt.replaceAll(/[:.]/g, "-");
  const partial = join(into, `.${name}.partial`);
  try {
    await access(join(dataDir, DATABASE), constants.R_OK);
    await refuseWithin(into, dataDir);
    await makeFolder(into);
    await removePartials(into);
    await mkdir(partial, { mode: 0o700 });
  } catch (err) {
    throw explainTrouble(err, { what, place: into });
  }
  try {
    const before = await newestBackup(into);
    const to = { partial, folder: join(into, name), takenAt };
    return await fillBackup(to, { dataDir, before, signal });
  } catch (err) {
    const after = await rm(partial, { recursive: true }).then(
      () => "nothing of it was left there",
      () => `rm -r ${partial} takes away what is there of it`,
    );
    throw explainTrouble(err, { what, place: into, after });
  }
}

async function refuseWithin(into: string, dataDir: string): Promise<void> {
  if (!(await isWithin(into, dataDir))) return;
  const message = `${into}: the backup folder is inside the data folder; choose another disk.`;
  const hint = "tatara backup /srv/backup";
  throw new CommandError(EXIT.usage, message, hint);
}

async function fillBackup(
  to: { readonly partial: string; readonly folder: string; readonly takenAt: string },
  from: Pick<Backup, "dataDir" | "before" | "signal">,
): Promise<Made> {
  const { partial, folder, takenAt } = to;
  const entries = new Map<string, BackupEntry>();
  const keep = (entry: BackupEntry) => void entries.set(entry.path, entry);
  const backup = { ...from, folder: partial, keep, linked: { files: 0 } };
  const databaseFacts = await takeDatabase(backup);
  await takeFiles(backup);
  const { migrations, builds } = databaseFacts;
  const folders = await readFolderModes(from.dataDir, entries.keys());
  const header = { format: 1 as const, version: VERSION, takenAt, migrations: [...migrations] };
  await writeManifest(partial, { header: { ...header, folders: { ...folders } }, entries });
  await rename(partial, folder);
  await syncPath(dirname(folder));
  const all = [...entries.values()];
  return {
    folder,
    files: all.length,
    bytes: all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    linkedFiles: backup.linked.files,
    builds,
    missing: missingOf(databaseFacts, entries),
  };
}

interface Backup {
  readonly dataDir: string;
  readonly folder: string;
  readonly before: { readonly folder: string; readonly manifest: Manifest } | undefined;
  readonly signal: AbortSignal;
  readonly keep: (entry: BackupEntry) => void;
  readonly linked: { files: number };
}

async function takeDatabase({ dataDir, folder, keep }: Backup) {
  const taken = join(folder, `${DATABASE}.taken`);
  await copyDatabase(join(dataDir, DATABASE), taken);
  const facts = readCopy(taken);
  if (facts.damage.length > 0) {
    const hint = "the newest good backup is the one to restore: tatara restore";
    const message = `The database is damaged, so there is no backup: ${facts.damage[0]}.`;
    throw new CommandError(EXIT.errored, message, hint);
  }
  await chmod(taken, 0o600);
  const copied = await copyFile(taken, join(folder, DATABASE));
  await rm(taken);
  if (copied !== undefined) keep({ path: DATABASE, ...copied });
  return facts;
}

async function takeFiles(backup: Backup): Promise<void> {
  const { dataDir, signal } = backup;
  // Under the lock that whoever changes keys holds: ring and keys are of one moment.
  const keysDir = join(dataDir, "keys");
  if (await isThere(keysDir)) {
    await withRingLock(keysDir, () => takeAll(backup, filesBelow(dataDir, "keys")), signal);
  }
  for (const found of await readdir(dataDir, { withFileTypes: true })) {
    const { name } = found;
    if (isLeftOut(name) || name === "keys") continue;
    if (name === "git") await takeGit(backup);
    else if (found.isDirectory()) await takeAll(backup, filesBelow(dataDir, name));
    else if (found.isFile()) await takeAll(backup, [name]);
  }
}

/** Refs before objects; and once more while somebody packs them anew under our feet. */
async function takeGit(backup: Backup): Promise<void> {
  for (let round = 0; round < GIT_ROUNDS_MAX; round += 1) {
    const packs = await packsOf(backup.dataDir);
    // One lane: the order of the names is the order of the copies.
    await takeAll(backup, filesBelow(backup.dataDir, "git"), 1);
    if ((await packsOf(backup.dataDir)).join() === packs.join()) return;
  }
}

async function takeAll(
  backup: Backup,
  paths: AsyncIterable<string> | Iterable<string>,
  lanes = LANES,
): Promise<void> {
  await forEachInLanes(paths, lanes, async (path) => {
    backup.signal.throwIfAborted();
    const known = await linkUnchanged(backup, path);
    if (known !== undefined) return backup.keep(known);
    const copied = await copyFile(join(backup.dataDir, path), join(backup.folder, path));
    if (copied !== undefined) backup.keep({ path, ...copied });
  });
}

/** What the backup before has already, as far as size and time say so. */
async function linkUnchanged(
  { dataDir, folder, before, linked }: Backup,
  path: string,
): Promise<BackupEntry | undefined> {
  const known = before?.manifest.entries.get(path);
  if (before === undefined || known === undefined || ALWAYS_COPIED.test(path)) return undefined;
  const found = await stat(join(dataDir, path)).catch(() => undefined);
  if (found?.size !== known.sizeBytes || found.mtimeMs !== known.mtimeMs) return undefined;
  const to = join(folder, path);
  if (!(await linkFile(join(before.folder, path), to))) return undefined;
  linked.files += 1;
  return known;
}

/** The newest whole backup in a folder of them. */
export async function newestBackup(into: string): Promise<Backup["before"]> {
  const names = (await readdir(into).catch(() => [])).filter((name) => BACKUP_NAME.test(name));
  for (const name of names.toSorted().toReversed()) {
    const folder = join(into, name);
    const manifest = await readManifest(folder).catch(() => undefined);
    if (manifest !== undefined) return { folder, manifest };
  }
  return undefined;
}

/** What a killed backup left. */
async function removePartials(into: string): Promise<void> {
  for (const name of await readdir(into)) {
    const isOurs = name.startsWith(".") && name.endsWith(".partial");
    if (isOurs && BACKUP_NAME.test(name.slice(1, -".partial".length))) {
      await rm(join(into, name), { recursive: true });
    }
  }
}

function missingOf(
  { heads, packages }: ReturnType<typeof readCopy>,
  entries: ReadonlyMap<string, BackupEntry>,
): readonly string[] {
  const layout = yumLayout("yum");
  const named = [
    ...[...heads]
      .filter(([, head]) => head > 0)
      .map(([channel, head]) => join(layout.generation(channel, head), "generation.json")),
    ...packages.map((one) => layout.package(one)),
  ];
  return named.filter((path) => !entries.has(path));
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
