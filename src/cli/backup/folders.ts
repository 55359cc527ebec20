import { chmod, mkdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Modes of folders below the data folder, `""` for itself: of those whose parent has another. */
export type FolderModes = Readonly<Record<string, number>>;

/** For a backup that does not say: hosts and the publish worker's user read `yum`. */
const MODES_UNSAID: FolderModes = { "": 0o700, yum: 0o755 };

/**
 * Makes a folder and those above it. Node's own `recursive` tries for ever where the kernel says that a
 * folder is missing whose parent is there, as below `/proc`.
 */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  const missing: string[] = [];
  for (let at = path; (await statOf(at)) === undefined; at = dirname(at)) missing.push(at);
  for (const one of missing.toReversed()) {
    await mkdir(one, { mode }).catch((err: unknown) => {
      if ((err as NodeJS.ErrnoException).code !== "EEXIST") throw err;
    });
  }
}

/** Whether a folder, which need not be there yet, is another or below it, by whatever name. */
export async function isWithin(path: string, folder: string): Promise<boolean> {
  const outer = await stat(folder);
  for (let at = await placeOf(path); ; at = dirname(at)) {
    const found = await statOf(at);
    if (found?.ino === outer.ino && found.dev === outer.dev) return true;
    if (at === dirname(at)) return false;
  }
}

async function placeOf(path: string): Promise<string> {
  return await realpath(path).catch(async (err: unknown) => {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT" || path === dirname(path)) throw err;
    return join(await placeOf(dirname(path)), basename(path));
  });
}

async function statOf(path: string) {
  return await stat(path).catch((err: unknown) => {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT") throw err;
    return undefined;
  });
}

/** Modes of all folders on the way to these files. */
export async function readFolderModes(
  dataDir: string,
  paths: Iterable<string>,
): Promise<FolderModes> {
  const folders = new Set<string>([""]);
  for (const path of paths) for (const above of foldersOf(path)) folders.add(above);
  const modes = new Map<string, number>();
  for (const folder of folders) {
    const found = await statOf(join(dataDir, folder));
    if (found !== undefined) modes.set(folder, found.mode & 0o7777);
  }
  const isOther = ([folder, mode]: readonly [string, number]): boolean =>
    folder === "" || modes.get(parentOf(folder)) !== mode;
  return Object.fromEntries([...modes].filter(isOther));
}

/** Makes the folders of files, each once, with the modes that they had. */
export function folderMaker(dataDir: string, modes: FolderModes = MODES_UNSAID) {
  const made = new Map<string, Promise<number>>();
  const make = (folder: string): Promise<number> => {
    const known = made.get(folder);
    if (known !== undefined) return known;
    const making = makeWithMode(folder);
    made.set(folder, making);
    return making;
  };
  const makeWithMode = async (folder: string): Promise<number> => {
    const above = folder === "" ? 0o700 : await make(parentOf(folder));
    const mode = modes[folder] ?? above;
    const path = join(dataDir, folder);
    await makeFolder(path);
    // The data folder itself may be the operator's: it is closed as far as it was, and never opened.
    const wanted = folder === "" ? (await stat(path)).mode & mode : mode;
    await chmod(path, wanted).catch((err: unknown) => {
      // Not ours, such as a mount point: its owner decides.
      if ((err as NodeJS.ErrnoException).code !== "EPERM") throw err;
    });
    return mode;
  };
  return async (path: string): Promise<void> => void (await make(parentOf(path)));
}

/** `a/b/c` → `a`, `a/b`. */
function foldersOf(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at < 0 ? "" : path.slice(0, at);
}
