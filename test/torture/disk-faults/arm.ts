import { join } from "node:path";
import { escaped } from "./places.ts";
import type { Refusal } from "./refusals.ts";
import { GIT_TARGETS, pidOf, TARGETS } from "./targets.ts";
import type { Target } from "./targets.ts";
import { arm } from "./trap.ts";
import type { Volley, Wanted } from "./wanted.ts";
import type { World } from "./world.ts";

/** A fault that was aimed at, and where it met a call, below the data folder. */
export interface Met {
  readonly wanted: Wanted;
  readonly path: string;
}

export interface Armed {
  /** The disk is well again. What was met, in the order in which it was aimed at. */
  spring(): Promise<readonly Met[]>;
}

/** Makes the disk refuse these; each once, at the first call that fits. */
export async function armFor(
  world: World,
  shot: readonly Volley[],
  serial: number,
): Promise<Armed> {
  const { dataDir } = world.tatara;
  const all = shot.flatMap(({ wanted }) => wanted);
  const own = all.filter(({ site }) => !isTraced(site.target));
  await world.refusals.arm(own.map((one) => refusalOf(world, one)));
  const traced = await Promise.all(
    all
      .filter(({ site }) => isTraced(site.target))
      .map(async (wanted) => {
        const { call, target } = wanted.site;
        const output = outputOf(world, `${target}-${serial}`);
        const trap = await targetOf(target).trap(world);
        const inject = { call, error: wanted.error };
        return { wanted, trap: await arm({ ...trap, inject }, dataDir, output) };
      }),
  );
  return {
    spring: async () => {
      const paths = await world.refusals.spring();
      const met = own.flatMap((wanted, index) => {
        const path = paths[index];
        return path === undefined ? [] : [{ wanted, path: path.slice(dataDir.length + 1) }];
      });
      for (const { wanted, trap } of traced) {
        const hit = (await trap.spring()).find(({ isInjected }) => isInjected);
        if (hit !== undefined) met.push({ wanted, path: hit.path });
      }
      return met;
    },
  };
}

function refusalOf(world: World, { site, error }: Wanted): Refusal {
  const { call, target: name } = site;
  const pattern = `^${escaped(world.tatara.dataDir)}/${site.pattern}$`;
  const isGit = GIT_TARGETS.some((git) => git.name === name);
  if (isGit) return { call, error, pattern, pid: 0, thread: "any" };
  const { process, thread = "any" } = targetOf(name);
  return { call, error, pattern, pid: pidOf(world, process), thread };
}

/** Redis is started without the library. */
function isTraced(target: string): boolean {
  return target.startsWith("redis-");
}

function targetOf(name: string): Target {
  const target = TARGETS.find((one) => one.name === name);
  if (target === undefined) throw new Error(`There is no target ${name}.`);
  return target;
}

/** Where strace writes what it saw. */
export function outputOf({ gitTrap }: World, name: string): string {
  return join(gitTrap.dir, `${name}.trace`);
}
