import { setTimeout as delay } from "node:timers/promises";
import type { ProcessName } from "../../src/cli/processes/process-table.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { drawnMoment } from "./moments.ts";
import type { Random } from "./random.ts";

const VICTIMS = ["server", "build", "publish", "report", "redis"] as const satisfies ProcessName[];
const PAUSE_MS = { min: 300, max: 2_500 } as const;
const BIRTH_EVERY_MS = 10;

/** Kills a random process at random moments, `count` times. Whoever is dead already is waited for. */
export async function killAtRandom(
  tatara: Tatara,
  {
    random,
    count,
    tell,
    dealt,
    victims = VICTIMS,
  }: {
    readonly random: Random;
    readonly count: number;
    readonly tell: (line: string) => void;
    readonly dealt: () => void;
    readonly victims?: readonly [ProcessName, ...ProcessName[]];
  },
): Promise<void> {
  for (let done = 1; done <= count; done += 1) {
    // Now and then two die together.
    const isTwin = random.chance(0.15);
    const pauseMs = random.integer(PAUSE_MS.min, PAUSE_MS.max);
    if (!isTwin) await delay(pauseMs);
    const moment = isTwin ? "any" : await drawnMoment(tatara.dataDir, random);
    const victim = random.pick(victims);
    // Now and then it dies in the middle of its own start.
    const ageMs = random.chance(0.2) ? random.integer(0, 400) : 0;
    if (await bornAnew(tatara, victim)) await delay(ageMs);
    tatara.kill(victim);
    dealt();
    tell(`kill ${done}/${count}: ${victim} (${isTwin ? "with it" : moment})`);
  }
}

/** Returns once it lives; true if it was dead when we came. */
async function bornAnew({ supervisor }: Tatara, victim: ProcessName): Promise<boolean> {
  if (supervisor.pidOf(victim) !== undefined) return false;
  while (supervisor.pidOf(victim) === undefined) await delay(BIRTH_EVERY_MS);
  return true;
}
