import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stored } from "../stored.ts";

/** An empty file in each mirror: its time is that of the last fetch, even of one that brought nothing. */
const LAST_USE = "tatara-last-use";

export async function noteUse(gitDir: string): Promise<void> {
  await writeFile(join(gitDir, LAST_USE), "").catch(() => undefined);
}

export interface MirrorsPlace {
  readonly dir: string;
  /** Runs its work alone in this mirror. */
  readonly lockOf: <T>(gitDir: string, work: () => Promise<T>) => Promise<T>;
}

/** All mirrors; one that is being fetched into is removed after that. */
export async function storedMirrors(
  { dir, lockOf }: MirrorsPlace,
  signal: AbortSignal,
): Promise<readonly Stored[]> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => name.endsWith(".git"));
  const stored: Stored[] = [];
  for (const name of names) {
    signal.throwIfAborted();
    const gitDir = join(dir, name);
    const used = await stat(join(gitDir, LAST_USE)).catch(() => stat(gitDir));
    const parts = [{ id: gitDir, bytes: await packBytes(gitDir) }];
    const remove = () =>
      lockOf(gitDir, () => rm(gitDir, { recursive: true, force: true, maxRetries: 3 }));
    stored.push({ kind: "mirror", name, usedAt: used.mtimeMs, parts, remove });
  }
  return stored;
}

export async function packBytes(gitDir: string): Promise<number> {
  const dir = join(gitDir, "objects", "pack");
  const names = await readdir(dir).catch(() => []);
  const sizes = names.map(
    async (name) => (await stat(join(dir, name)).catch(() => undefined))?.size,
  );
  return (await Promise.all(sizes)).reduce<number>((sum, size) => sum + (size ?? 0), 0);
}
