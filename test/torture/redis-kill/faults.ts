import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../random.ts";
import type { Keeping, RedisRig } from "./redis-rig.ts";

/** How often each is dealt, beside the others. */
const SHARES = {
  kill: 60,
  cut: 13,
  wipe: 7,
  empty: 5,
  spoil: 3,
  full: 3,
  away: 2,
  frozen: 3,
  slow: 3,
} as const;
export type Fault = keyof typeof SHARES;

const FAULTS = Object.keys(SHARES) as Fault[];
const SHORT_MS = { min: 200, max: 2_500 } as const;
const PAUSED_MS = 400;
const PAUSE_EVERY_MS = 500;
/** Once in a long run it is gone for minutes. */
const LONG_AWAY_MS = 130_000;

/** Each fault once, then by their shares; the order is drawn. */
export function drawnFaults(count: number, random: Random): readonly Fault[] {
  const total = FAULTS.reduce((sum, fault) => sum + SHARES[fault], 0);
  const wanted = FAULTS.flatMap((fault) =>
    Array.from({ length: Math.max(1, Math.ceil((count * SHARES[fault]) / total)) }, () => fault),
  );
  const shuffle = (faults: readonly Fault[]): Fault[] =>
    faults
      .map((fault) => [random.next(), fault] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, fault]) => fault);
  if (count <= FAULTS.length) return shuffle(FAULTS).slice(0, count);
  // Cut at the end, where the rounding up left too many kills.
  const rest = shuffle(wanted);
  while (rest.length > count) rest.splice(rest.indexOf("kill"), 1);
  return rest;
}

/** Deals one; it is over, and Redis answers, when this resolves. */
export async function deal(
  fault: Fault,
  { rig, random, isLong }: { rig: RedisRig; random: Random; isLong: boolean },
): Promise<void> {
  const keeping: Keeping = random.weighted({ always: 1, everysec: 2, off: 1 });
  const shortly = () => delay(random.integer(SHORT_MS.min, SHORT_MS.max));
  const reborn = async (between: () => Promise<unknown>): Promise<void> => {
    await rig.kill();
    await between();
    await rig.start(keeping);
  };
  const deals: Readonly<Record<Fault, () => Promise<void>>> = {
    kill: () => reborn(() => delay(random.integer(0, 300))),
    cut: () => reborn(() => rig.cut(random)),
    wipe: async () => void (await rig.ask("FLUSHALL")),
    empty: () => reborn(rig.empty),
    spoil: () => reborn(rig.spoil),
    full: async () => {
      await rig.ask("CONFIG", "SET", "maxmemory", "1");
      await shortly();
      await rig.ask("CONFIG", "SET", "maxmemory", "0");
    },
    away: () => reborn(isLong ? () => delay(LONG_AWAY_MS) : shortly),
    frozen: async () => {
      rig.signal("SIGSTOP");
      await shortly();
      rig.signal("SIGCONT");
    },
    slow: async () => {
      const endAt = performance.now() + random.integer(1_500, 4_000);
      while (performance.now() < endAt) {
        await rig.ask("CLIENT", "PAUSE", String(PAUSED_MS), "ALL");
        await delay(PAUSE_EVERY_MS);
      }
    },
  };
  await deals[fault]();
}
