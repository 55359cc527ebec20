import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

export const DATABASE = "tatara.db";
/** Made anew by whoever needs them, the command line among them: a folder that has only these is empty. */
export const CACHES: readonly string[] = ["cache", ".cache"];

/**
 * What a backup leaves out: the database's own files (it is copied as one), what is made anew, what
 * belongs to one life of a process.
 */
const LEFT_OUT = [
  /^tatara\.db(-wal|-shm|-journal)?$/,
  /^redis(\/|$)/,
  /^worker(\/|$)/,
  /^log(\/|$)/,
  /^tmp(\/|$)/,
  /^\.?cache(\/|$)/,
  /^[^/]*\.(lock|lock-journal|pid)$/,
  /^yum\/staging(\/|$)/,
  /^keys\/(lock$|S\.|.*\.lock$|\.#)/,
  // Half an upload, half a pack.
  /^artifacts\/[^/]+\/[0-9a-f]{64}\./,
  /\/objects\/(tmp_|incoming-|.*\/tmp_)/,
  /^lost\+found(\/|$)/,
  /^restore-unfinished$/,
];

export function isLeftOut(path: string): boolean {
  return LEFT_OUT.some((pattern) => pattern.test(path));
}

/** Files below a folder, as paths from there; those that vanish meanwhile are simply not there. */
export async function* filesBelow(root: string, below = ""): AsyncGenerator<string> {
  for (const found of await entriesOf(join(root, below))) {
    const path = below === "" ? found.name : `${below}/${found.name}`;
    if (isLeftOut(path)) continue;
    if (found.isDirectory()) yield* filesBelow(root, path);
    else if (found.isFile()) yield path;
  }
}

/** In the order of their names, but what points at others comes before what it points at. */
async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch((err: unknown) => {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw err;
  });
  const rank = ({ name }: Dirent): number => (name === "objects" ? 1 : 0);
  return found.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

/** Of the own remote: `git/<owner>/<name>.git` → the names of its packs, as they are now. */
export async function packsOf(root: string): Promise<readonly string[]> {
  const packs: string[] = [];
  for await (const path of filesBelow(root, "git")) {
    if (/\/objects\/pack\/[^/]+\.pack$/.test(path)) packs.push(path);
  }
  return packs;
}
