import { Redis } from "ioredis";
import type { ProcessName } from "../../../src/cli/processes/process-table.ts";
import { processesOf } from "../../../src/invariants/processes.ts";
import type { Fault } from "../../support/github-api.ts";
import { killAtRandom } from "../killer.ts";
import type { Random } from "../random.ts";
import type { Scene } from "../under-load.ts";
import { pause } from "./people.ts";

const PAUSED = ["server", "build", "publish", "report"] as const satisfies ProcessName[];
const PAUSE_MS = { min: 1_000, max: 6_000 } as const;
const SPELL_MS = { min: 2_000, max: 15_000 } as const;

/** What does not end a process: pauses, an empty Redis. Kills only with `mayKill`. */
export async function keepStorming(
  scene: Scene,
  { mayKill, stop }: { readonly mayKill: () => boolean; readonly stop: AbortSignal },
): Promise<void> {
  const random = scene.random("storms");
  while (!stop.aborted) {
    await pause(random.integer(SPELL_MS.min, SPELL_MS.max), stop);
    if (stop.aborted) return;
    const kind = random.weighted({ pause: 3, wipe: 1, kill: mayKill() ? 8 : 0 });
    if (kind === "wipe") await wipe(scene);
    else if (kind === "pause") await holdOne(scene, random, stop);
    else {
      const { tatara, tell, dealt } = scene;
      await killAtRandom(tatara, { random, count: 1, tell, dealt });
    }
  }
}

async function wipe({ tatara, tell, dealt }: Scene): Promise<void> {
  const found = await processesOf(tatara.dataDir);
  const url = found.find(({ redisUrl }) => redisUrl !== undefined)?.redisUrl;
  if (url === undefined) return;
  const redis = new Redis(url, { maxRetriesPerRequest: 1, retryStrategy: () => null });
  redis.on("error", () => undefined);
  const wiped = await redis.flushall().catch(() => undefined);
  redis.disconnect();
  if (wiped === undefined) return;
  dealt();
  tell("Redis is emptied");
}

/** Stopped as by a hypervisor that moves the machine. */
async function holdOne(scene: Scene, random: Random, stop: AbortSignal): Promise<void> {
  const { tatara, tell, dealt } = scene;
  const name = random.pick(PAUSED);
  const ms = random.integer(PAUSE_MS.min, PAUSE_MS.max);
  tatara.kill(name, "SIGSTOP");
  dealt();
  tell(`${name} stands still for ${ms} ms`);
  await pause(ms, stop);
  tatara.kill(name, "SIGCONT");
}

/** Mostly fair; now and then the forge refuses, hangs up or is slow. */
export function forgeWeather(random: Random): () => Fault | undefined {
  const faults: readonly [Fault, ...Fault[]] = [
    { kind: "status", status: 502 },
    { kind: "status", status: 500 },
    { kind: "reset" },
    { kind: "keep-then-reset" },
    { kind: "delay", ms: 1_500 },
  ];
  return () => (random.chance(0.15) ? random.pick(faults) : undefined);
}
