import { link, copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isBuildChannel, mainTargetOf } from "../../domain/channel.ts";
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
  /** The restored database does not have the channel itself. */
  readonly isNewChannel: boolean;
  /** The newest generation on the disk, and the one that the database has. */
  readonly newest: number;
  readonly head: number;
  /** Its source and debug packages are here too: who imports lists them beside it by itself. */
  readonly target: string;
  /** Holds the packages, ready to be imported. */
  readonly folder: string;
  readonly packages: readonly ListedPackage[];
}

export interface Newer {
  readonly unknown: readonly Unknown[];
  /** Builds' own channels: nobody imports into them, their builds are not in the database. */
  readonly buildChannels: readonly string[];
}

/**
 * Compares channels on the disk with a database that is older than they are. Packages that only the
 * disk has are put together in `<data>/yum/recovered/<channel>/<target>`, where every publish worker
 * sees them; nothing is deleted.
 */
export async function gatherNewer(dataDir: string, facts: CopyFacts): Promise<Newer> {
  const layout = yumLayout(join(dataDir, "yum"));
  const known = new Set(facts.packages.map(({ sha256 }) => sha256));
  const unknown: Unknown[] = [];
  const buildChannels: string[] = [];
  for (const channel of await readdir(join(layout.yumDir, "channels")).catch(() => [])) {
    const newest = await newestOf(layout, channel);
    const head = facts.heads.get(channel) ?? 0;
    if (newest <= head) continue;
    const isNewChannel = !facts.heads.has(channel);
    if (isBuildChannel(channel)) {
      if (isNewChannel) buildChannels.push(channel);
      continue;
    }
    const byTarget = await unknownIn(layout, { channel, number: newest }, known);
    for (const [target, packages] of byTarget) {
      const folder = join(layout.recovered, channel, target);
      await gather(layout, packages, folder);
      unknown.push({ channel, isNewChannel, newest, head, target, folder, packages });
    }
  }
  return { unknown, buildChannels };
}

/** Target without its siblings → packages that the database does not know. */
async function unknownIn(
  layout: YumLayout,
  { channel, number }: { readonly channel: string; readonly number: number },
  known: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly ListedPackage[]>> {
  const generation = await readGeneration(layout, channel, number);
  const byTarget = new Map<string, Map<string, ListedPackage>>();
  for (const [target, since] of Object.entries(generation.targets)) {
    const main = mainTargetOf(target);
    const packages = byTarget.get(main) ?? new Map<string, ListedPackage>();
    for (const one of await listedIn(layout, channel, since, target)) {
      if (!known.has(one.sha256)) packages.set(one.sha256, one);
    }
    if (packages.size > 0) byTarget.set(main, packages);
  }
  return new Map([...byTarget].map(([target, packages]) => [target, [...packages.values()]]));
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
  await mkdir(folder, { recursive: true, mode: 0o755 });
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
