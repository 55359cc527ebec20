import { setTimeout as delay } from "node:timers/promises";
import { deal, drawnFaults } from "./redis-kill/faults.ts";
import type { Fault } from "./redis-kill/faults.ts";
import { openRedisRig } from "./redis-kill/redis-rig.ts";
import type { RedisRig } from "./redis-kill/redis-rig.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";
import type { Scene } from "./under-load.ts";

const READY_MS = 1_000;
const BETWEEN_MS = { min: 100, max: 1_200 } as const;
/** Everybody listens for tickets again so soon after Redis is back. */
const RESUMED_MS = 15_000;
/** The machine may be busy with other runs; what takes longer than this is no matter of load. */
const RESUMED_AT_LAST_MS = 60_000;
const LOOK_EVERY_MS = 50;
/** These wait for a ticket at nearly every moment. */
const IDLE_QUEUES = ["publish", "report", "schedule"] as const;
/** Its consumer holds a ticket while all slots are busy, so being connected is all that one can see. */
const BUSY_QUEUE = "build";
/** From here on one absence lasts for minutes. */
const LONG_COUNT = 100;

/**
 * Redis is killed, cut, emptied, spoilt, full, away, frozen and slow, with its log kept always, each
 * second or never, under load. After each fault all consumers must listen again within 15 s.
 */
export async function runRedisKillSuite(options: SuiteOptions): Promise<Outcome> {
  await using rig = await openRedisRig();
  await rig.start("everysec");
  return await underLoad(options, {
    env: () => ({ TATARA_REDIS_URL: rig.url }),
    repos: { own: ["own/one"], github: ["hub/one"] },
    attack: async (scene) => {
      await delay(READY_MS);
      await hurt(scene, rig, options.count);
    },
  });
}

async function hurt(scene: Scene, rig: RedisRig, count: number): Promise<void> {
  const random = scene.random("redis");
  const faults = drawnFaults(count, random);
  const longAway = count >= LONG_COUNT ? faults.indexOf("away") : -1;
  const resumedMs: number[] = [];
  for (const [index, fault] of faults.entries()) {
    await delay(random.integer(BETWEEN_MS.min, BETWEEN_MS.max));
    await deal(fault, { rig, random, isLong: index === longAway });
    scene.dealt();
    const tookMs = await untilAllListen(rig);
    const took = tookMs === undefined ? "never" : `${Math.round(tookMs)} ms`;
    scene.tell(`${index + 1}/${count}: ${fault}; all listened again after ${took}`);
    if (tookMs === undefined || tookMs > RESUMED_MS) {
      const what = `after fault ${index + 1} (${fault}) not all consumers listened within 15 s: ${took}`;
      scene.violations.push({ figure: "unfinished", what });
    }
    if (tookMs !== undefined) resumedMs.push(tookMs);
  }
  scene.tell(describe(faults, resumedMs));
}

/** Undefined: not even after a minute. */
async function untilAllListen(rig: RedisRig): Promise<number | undefined> {
  const startedAt = performance.now();
  const seen = new Set<string>();
  while (performance.now() - startedAt < RESUMED_AT_LAST_MS) {
    const list = await rig.ask("CLIENT", "LIST").catch(() => "");
    const lines = list.split("\n");
    for (const queue of IDLE_QUEUES) {
      if (ofQueue(lines, queue).some((line) => line.includes("cmd=bzpopmin"))) seen.add(queue);
    }
    const isBuildThere = ofQueue(lines, BUSY_QUEUE).length > 0;
    if (isBuildThere && seen.size === IDLE_QUEUES.length) return performance.now() - startedAt;
    await delay(LOOK_EVERY_MS);
  }
  return undefined;
}

/** BullMQ names the line over which a consumer waits. */
function ofQueue(lines: readonly string[], queue: string): readonly string[] {
  const name = `name=tatara:${Buffer.from(queue).toString("base64")} `;
  return lines.filter((line) => line.includes(name));
}

function describe(faults: readonly Fault[], resumedMs: readonly number[]): string {
  const counts = Object.entries(Object.groupBy(faults, (fault) => fault))
    .map(([fault, all]) => `${all.length} ${fault}`)
    .join(", ");
  const sorted = resumedMs.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(0);
  return `dealt ${counts}; resumed: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms`;
}
