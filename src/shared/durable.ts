import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** Brings a file's bytes, or a folder's names, to the disk. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a folder with its parents, and brings the new names to the disk. */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (first === undefined) return;
  // Each new folder is a name in the one above it.
  for (let at = resolve(path); at.length >= first.length; at = dirname(at)) {
    await syncPath(dirname(at));
  }
}

/** Whatever happens, the file has its old text or the new one; the new one once this resolves. */
export async function replaceDurably(
  path: string,
  text: string,
  { mode, staged = `${path}.new` }: { readonly mode: number; readonly staged?: string },
): Promise<void> {
  const file = await open(staged, "w", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (err) {
    await rm(staged, { force: true }).catch(() => undefined);
    throw err;
  } finally {
    await file.close();
  }
  await rename(staged, path);
  await syncPath(dirname(path));
}
