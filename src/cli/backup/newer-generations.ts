import { link, copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CopyFacts } from "../../shared/database-copy.ts";
import { yumLayout, type YumLayout } from "../../yum/layout.ts";
import {
  readGeneration,
  readSegment,
  readTargetState,
  type ListedPackage,
} from "../../yum/target-state.ts";

/** What the disk lists and the restored database has never heard of. */
export interface Unknown {
  readonly channel: string;
  /** The newest generation on the disk, and the one that the database has. */
  readonly newest: number;
  readonly head: number;
  readonly target: string;
  /** Holds the packages, ready to be imported. */
  readonly folder: string;
  readonly packages: readonly ListedPackage[];
}

/**
 * Compares channels on the disk with a database that is older than they are. Packages that only the
 * disk has are put together in `<data>/recovered/<channel>/<target>`; nothing is deleted.
 */
export async function gatherNewer(dataDir: string, facts: CopyFacts): Promise<readonly Unknown[]> {
  const layout = yumLayout(join(dataDir, "yum"));
  const known = new Set(facts.packages.map(({ sha256 }) => sha256));
  const found: Unknown[] = [];
  for (const channel of await readdir(join(layout.yumDir, "channels")).catch(() => [])) {
    const newest = await newestOf(layout, channel);
    const head = facts.heads.get(channel) ?? 0;
    if (newest <= head) continue;
    const generation = await readGeneration(layout, channel, newest);
    for (const [target, since] of Object.entries(generation.targets)) {
      const listed = await listedIn(layout, channel, since, target);
      const packages = listed.filter(({ sha256 }) => !known.has(sha256));
      if (packages.length === 0) continue;
      const folder = join(dataDir, "recovered", channel, target);
      await gather(layout, packages, folder);
      found.push({ channel, newest, head, target, folder, packages });
    }
  }
  return found;
}

async function newestOf(layout: YumLayout, channel: string): Promise<number> {
  const names = await readdir(layout.generations(channel)).catch(() => []);
  return Math.max(0, ...names.filter((name) => /^[1-9]\d*$/.test(name)).map(Number));
}

async function listedIn(
  layout: YumLayout,
  channel: string,
  number: number,
  target: string,
): Promise<readonly ListedPackage[]> {
  const state = await readTargetState(layout, { channel, number, target });
  const sealed: ListedPackage[] = [];
  for (const { id } of state.segments) {
    sealed.push(...(await readSegment(layout, id)).packages);
  }
  return [...sealed, ...state.tail];
}

async function gather(
  layout: YumLayout,
  packages: readonly ListedPackage[],
  folder: string,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const one of packages) {
    const from = layout.package(one);
    const to = join(folder, one.fileName);
    await link(from, to).catch(async (err: unknown) => {
      const { code } = err as NodeJS.ErrnoException;
      if (code === "EXDEV" || code === "EPERM") await copyFile(from, to);
      else if (code !== "EEXIST") throw err;
    });
  }
}
