import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../random.ts";
import type { Scene } from "../under-load.ts";
import { openRecords } from "../records.ts";
import type { Records } from "../records.ts";
import { CLOCKS } from "./clocks.ts";
import type { ClockName, Clocks } from "./clocks.ts";

const BETWEEN_MS = { min: 500, max: 4_000 } as const;
const HOUR_MS = 3_600_000;
/** More than a day, so that what waits for a day sees it over. */
const DAY_AHEAD_MS = 25 * HOUR_MS;
const WEIGHTS = { hour: 3, ninety: 3, slew: 1, day: 3 } as const;
/** How long a clock stays wrong: mostly far below a lease, sometimes above it. */
const LENGTHS = {
  short: { min: 500, max: 6_000 },
  long: { min: 20_000, max: 40_000 },
} as const;
/** So slowly that nobody sees a step: a fifth faster or slower, and back. */
const SLEW = { short: 25, long: 100, everyMs: 100, stepMs: 20 } as const;
/** Looks so often whether it was read; whoever is idle reads it in its next heartbeat. */
const LOOK_EVERY_MS = 50;
const READ_MS = 20_000;

/** What each is in the middle of when its clock is set; one that is idle would show little. */
const AT_WORK = {
  server: (records) => records.all("builds").some(({ state }) => state === "running"),
  build: (records) => records.all("steps").some(({ state }) => state === "running"),
  publish: (records) =>
    records.all("publishes").some(({ state }) => state === "queued" || state === "running"),
} as const satisfies Record<ClockName, (records: Records) => boolean>;
const WORK_MS = 15_000;

export interface Jumping {
  readonly scene: Scene;
  readonly clocks: Clocks;
  /** Only short ones. */
  readonly isSmall: boolean;
  /** False once all jumps were given out. */
  take(): boolean;
}

/**
 * Sets the wall clock of one kind of process while it works, and after a while back again, so that each
 * jump is one ahead and one back. Each kind has a lane of its own: they are wrong at the same time.
 */
export async function jumpInLanes(jumping: Jumping): Promise<void> {
  await Promise.all(CLOCKS.map((name) => jumpLane(jumping, name)));
}

async function jumpLane(jumping: Jumping, name: ClockName): Promise<void> {
  const random = jumping.scene.random(`clock ${name}`);
  for (;;) {
    await delay(random.integer(BETWEEN_MS.min, BETWEEN_MS.max));
    if (!jumping.take()) return;
    await untilAtWork(jumping, name);
    await jumpOnce(jumping, name, random);
  }
}

async function untilAtWork({ scene }: Jumping, name: ClockName): Promise<void> {
  const endAt = performance.now() + WORK_MS;
  using records = openRecords(scene.tatara.dataDir);
  while (!AT_WORK[name](records) && performance.now() < endAt) await delay(LOOK_EVERY_MS);
}

async function jumpOnce(jumping: Jumping, name: ClockName, random: Random): Promise<void> {
  const { scene, clocks, isSmall } = jumping;
  const kind = random.weighted(WEIGHTS);
  const sign = random.chance(0.5) ? 1 : -1;
  const { min, max } = LENGTHS[!isSmall && random.chance(0.3) ? "long" : "short"];
  const forMs = random.integer(min, max);
  const readBefore = await clocks.reads(name);
  scene.dealt();
  if (kind === "slew") {
    const steps = SLEW[isSmall ? "short" : "long"];
    const text = `for ${(steps * SLEW.everyMs) / 1_000} s`;
    scene.tell(`clock of ${name} goes ${sign > 0 ? "faster" : "slower"} ${text}`);
    await slew(clocks, name, { sign, steps });
  } else {
    const byMs = kind === "day" ? DAY_AHEAD_MS : sign * (kind === "hour" ? HOUR_MS : 90_000);
    scene.tell(`clock of ${name} is set by ${byMs / 1_000} s for ${(forMs / 1_000).toFixed(1)} s`);
    await clocks.shift(name, byMs);
    // What may be deleted is looked for in the very moment in which all seems a day older.
    if (kind === "day" && name !== "build") await askForSweep(scene);
    await delay(forMs);
    await untilRead(jumping, name, readBefore);
  }
  await clocks.shift(name, 0);
}

async function slew(
  clocks: Clocks,
  name: ClockName,
  { sign, steps }: { readonly sign: number; readonly steps: number },
): Promise<void> {
  for (let step = 1; step <= 2 * steps; step += 1) {
    const far = step <= steps ? step : 2 * steps - step;
    await clocks.shift(name, sign * far * SLEW.stepMs);
    await delay(SLEW.everyMs);
  }
}

/** A jump that nobody saw would prove nothing. A process that is dead at this moment sees none. */
async function untilRead(
  { scene, clocks }: Jumping,
  name: ClockName,
  readBefore: number,
): Promise<void> {
  const endAt = performance.now() + READ_MS;
  while ((await clocks.reads(name)) === readBefore) {
    if (performance.now() > endAt) {
      const what = `the clock of ${name} was set, and nobody read it: the rig is broken`;
      return void scene.violations.push({ figure: "broken", what });
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** As an operator does. */
async function askForSweep({ tatara }: Scene): Promise<void> {
  await tatara.api("/api/sweeps", { method: "POST" }).catch(() => undefined);
}
