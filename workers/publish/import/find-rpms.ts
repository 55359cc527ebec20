import type { Dirent } from "node:fs";
import { lstat, opendir, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, sep } from "node:path";
import { UserFault } from "../../../src/domain/faults.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";

const FILES_MAX = 1_000_000;
const DEPTH_MAX = 64;

/**
 * Paths of all RPMs below a folder: a createrepo directory, or just files. Links to folders are not
 * followed, and links to files only to those inside the folder. Throws a `UserFault` if the folder
 * cannot be imported from: our own files are not, but for what a restore found.
 */
export async function findRpms(
  folder: string,
  own: Pick<YumLayout, "yumDir" | "recovered">,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const root = await rootOf(folder, own);
  const found: string[] = [];
  const walk = async (dir: string, depth: number): Promise<void> => {
    signal.throwIfAborted();
    if (depth > DEPTH_MAX) throw refused(`${dir} is nested too deeply.`);
    for await (const entry of await opendir(dir)) {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) await walk(path, depth + 1);
      else if (entry.name.endsWith(".rpm") && (await isFileInside(entry, path, root))) {
        found.push(path);
        if (found.length > FILES_MAX) throw refused(`${folder} has over ${FILES_MAX} packages.`);
      }
    }
  };
  await walk(root, 0);
  if (found.length === 0)
    throw new UserFault("NO_PACKAGES", `${folder} has no RPM.`, { hint: HINT });
  return found.toSorted();
}

const HINT = "Name a folder on the publish worker's host that holds the RPMs, by its whole path.";

async function rootOf(
  folder: string,
  { yumDir, recovered }: Pick<YumLayout, "yumDir" | "recovered">,
): Promise<string> {
  if (!isAbsolute(folder)) throw refused(`"${folder}" is not an absolute path.`);
  const entry = await lstat(folder).catch(() => undefined);
  if (entry === undefined) throw refused(`There is no folder ${folder}.`);
  if (!entry.isDirectory()) throw refused(`${folder} is not a folder.`);
  const [root, own] = await Promise.all([realpath(folder), realpath(yumDir)]);
  const found = await realpath(recovered).catch(() => undefined);
  if (found !== undefined && isWithin(root, found)) return root;
  if (isWithin(root, own) || isWithin(own, root)) {
    throw refused(`${folder} is where Tatara keeps its own packages.`);
  }
  return root;
}

async function isFileInside(entry: Dirent, path: string, root: string): Promise<boolean> {
  if (entry.isFile()) return true;
  if (!entry.isSymbolicLink()) return false;
  const target = await realpath(path).catch(() => undefined);
  return target !== undefined && isWithin(target, root) && (await stat(target)).isFile();
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

function refused(message: string): UserFault {
  return new UserFault("FILE_MISSING", message, { hint: HINT });
}
