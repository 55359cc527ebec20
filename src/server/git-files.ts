import { glob, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder, replaceDurably, syncPath } from "../shared/durable.ts";

/** A repo that nobody has pushed to; HEAD and its other files come with one rename, or not at all. */
export async function initRepo(
  gitDir: string,
  gitInit: (dir: string) => Promise<unknown>,
): Promise<void> {
  const init = async (dir: string): Promise<void> => {
    await gitInit(dir);
    const made = await readdir(dir, { recursive: true, withFileTypes: true });
    for (const { parentPath, name } of made) await syncPath(join(parentPath, name));
    await syncPath(dir);
  };
  await makeFolder(dirname(gitDir));
  // An older version, or a bad disk, has left one without a HEAD: what is in it stays.
  if (await isThere(gitDir)) return await init(gitDir);
  const staged = `${gitDir}.new`;
  await rm(staged, { recursive: true, force: true });
  await init(staged);
  await rename(staged, gitDir);
  await syncPath(dirname(gitDir));
}

/** A repo with an empty HEAD is none, and git does not sync it. */
export async function setHead(gitDir: string, branch: string): Promise<void> {
  const [head, text] = [join(gitDir, "HEAD"), `ref: refs/heads/${branch}\n`];
  if ((await readFile(head, "utf8").catch(() => "")) === text) return;
  await replaceDurably(head, text, { mode: 0o644, staged: `${head}.lock` });
}

/** Clocks of a machine and its file server may differ. */
const CLOCKS_MS = 60_000;

/**
 * Brings the names of what git made in that time to the disk: it syncs files alone, and a ref or an object
 * without its name is lost.
 */
export async function syncFolders(gitDir: string, withinMs: number): Promise<void> {
  const since = Date.now() - withinMs - CLOCKS_MS;
  const folders = [gitDir];
  for await (const entry of glob(["objects", "objects/*", "refs", "refs/**"], {
    cwd: gitDir,
    withFileTypes: true,
  })) {
    if (entry.isDirectory()) folders.push(join(entry.parentPath, entry.name));
  }
  for (const folder of folders) {
    // git removes folders of refs that are empty.
    const found = await stat(folder).catch(() => undefined);
    if (found !== undefined && found.mtimeMs >= since) await syncPath(folder);
  }
}

/** git holds a lock for milliseconds; one this old was left by a git that was killed, or by a bad disk. */
const LOCK_STALE_MS = 10_000;

/**
 * Removes locks that nobody holds any more: git itself never does, and a repo with one refuses every
 * push for ever.
 */
export async function removeStaleLocks(
  gitDir: string,
  now: number,
  staleMs = LOCK_STALE_MS,
): Promise<void> {
  for await (const path of glob(["*.lock", "refs/**/*.lock"], { cwd: gitDir })) {
    const found = await stat(join(gitDir, path)).catch(() => undefined);
    if (found !== undefined && now - found.mtimeMs > staleMs) {
      await rm(join(gitDir, path), { force: true });
    }
  }
}

export function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
