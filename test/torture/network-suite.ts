import { setTimeout as delay } from "node:timers/promises";
import { describeFault, drawnFault } from "./network/drawn-fault.ts";
import { LINKS, openLinks } from "./network/links.ts";
import type { LinkName, Links } from "./network/links.ts";
import { randomOf } from "./random.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";
import type { Scene } from "./under-load.ts";

const READY_MS = 3_000;
const BETWEEN_MS = { min: 200, max: 1_500 } as const;
/** So many links are faulty at the same time at most. */
const LANES = 3;
/** Up to so many faults all are short, so that a change is tested within seconds. */
const SMALL_COUNT = 20;

/**
 * Every link between two parts leads through a proxy that delays, slices, starves, swallows, resets
 * or half-closes what passes, as the seed draws it, while pushes go on.
 */
export async function runNetworkSuite(options: SuiteOptions): Promise<Outcome> {
  await using links = await openLinks(randomOf(options.seed, "jitter").next);
  const { processes, env } = links;
  return await underLoad(options, {
    env,
    processes,
    attack: async (scene) => {
      await delay(READY_MS);
      await hurtLinks(scene, links, options.count);
      for (const name of LINKS) links.proxies[name].set(undefined);
    },
  });
}

async function hurtLinks(scene: Scene, { proxies }: Links, count: number): Promise<void> {
  const busy = new Set<LinkName>();
  const mayBeLong = count > SMALL_COUNT;
  let given = 0;
  const lane = async (name: string): Promise<void> => {
    const random = scene.random(name);
    for (;;) {
      await delay(random.integer(BETWEEN_MS.min, BETWEEN_MS.max));
      if (given >= count) return;
      given += 1;
      const serial = given;
      const { fault, forMs } = drawnFault(random, { mayBeLong });
      const drawn = random.pick(LINKS);
      const link = busy.has(drawn) ? LINKS.find((one) => !busy.has(one)) : drawn;
      if (link === undefined) continue;
      busy.add(link);
      scene.dealt();
      const seconds = (forMs / 1_000).toFixed(1);
      scene.tell(`${serial}/${count}: ${link}: ${describeFault(fault)} for ${seconds} s`);
      proxies[link].set(fault);
      await delay(forMs);
      proxies[link].set(undefined);
      busy.delete(link);
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_none, index) => lane(`lane ${index}`)));
}
