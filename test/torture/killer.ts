import { setTimeout as delay } from "node:timers/promises";
import type { ProcessName } from "../../src/cli/processes/process-table.ts";
import type { Tatara } from "../support/start-tatara.ts";
import type { Random } from "./random.ts";

const VICTIMS = ["server", "build", "publish", "report", "redis"] as const satisfies ProcessName[];
const PAUSE_MS = { min: 300, max: 4_000 } as const;
/** The supervisor waits up to 5 s before it starts again what dies again and again. */
const BIRTH_EVERY_MS = 10;

/** Kills a random process at random moments, `count` times. Whoever is dead already is waited for. */
export async function killAtRandom(
  tatara: Tatara,
  { random, count, tell }: { random: Random; count: number; tell: (line: string) => void },
): Promise<void> {
  for (let done = 1; done <= count; done += 1) {
    await delay(random.integer(PAUSE_MS.min, PAUSE_MS.max));
    const victim = random.pick(VICTIMS);
    // Now and then it dies in the middle of its own start.
    const ageMs = random.chance(0.2) ? random.integer(0, 400) : 0;
    if (await bornAnew(tatara, victim)) await delay(ageMs);
    tatara.kill(victim);
    tell(`kill ${done}/${count}: ${victim}`);
  }
}

/** Returns once it lives; true if it was dead when we came. */
async function bornAnew({ supervisor }: Tatara, victim: ProcessName): Promise<boolean> {
  if (supervisor.pidOf(victim) !== undefined) return false;
  while (supervisor.pidOf(victim) === undefined) await delay(BIRTH_EVERY_MS);
  return true;
}
