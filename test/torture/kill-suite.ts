import { setTimeout as delay } from "node:timers/promises";
import { killAtRandom } from "./killer.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";

const READY_MS = 5_000;

/** Pushes, cancels and reruns while `kill -9` meets every process, then compares all with all. */
export async function runKillSuite(options: SuiteOptions): Promise<Outcome> {
  const { count } = options;
  return await underLoad(options, {
    attack: async ({ tatara, random, tell, dealt }) => {
      // The first pushes are on their way by then.
      await delay(READY_MS);
      await killAtRandom(tatara, { random: random("killer"), count, tell, dealt });
    },
  });
}
