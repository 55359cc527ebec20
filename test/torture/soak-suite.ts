import { setTimeout as delay } from "node:timers/promises";
import {
  PROCESSES,
  type ProcessName,
  type ProcessSpec,
  type ProcessTable,
} from "../../src/cli/processes/process-table.ts";
import { keepChanging, keepInstalling, keepWatching } from "./soak/people.ts";
import { sample } from "./soak/sampler.ts";
import { INSPECTABLE } from "./soak/live-heap.ts";
import { judge, lineOf, slopesOf } from "./soak/slopes.ts";
import { forgeWeather, keepStorming } from "./soak/storms.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";
import type { Scene } from "./under-load.ts";

const MINUTE_MS = 60_000;
const MIB = 2 ** 20;
const SAMPLE_MS = 5_000;
const LOOK_EVERY_MS = 100;
const SAMPLES_MIN = 24;
/** On a slow machine a short run lasts longer, until it has seen this many. */
const SAMPLES_ENOUGH = 12;
/** The usual programs, which also take flags of Node's. */
const INSPECTED: ProcessTable = {
  server: withNodeOptions(PROCESSES.server),
  workers: PROCESSES.workers.map(withNodeOptions),
};
/** First nobody is killed, so that one life is long enough to see it grow; then everybody is. */
const CALM_SHARE = 0.6;

/**
 * L8: everything at once for `count` minutes: pushes, cancels, reruns, changes of channels, hosts,
 * open pages, an unreliable forge, emptied Redis, pauses, and at last kills. Whatever grows is told.
 */
export async function runSoakSuite(options: SuiteOptions): Promise<Outcome> {
  return await underLoad(options, {
    processes: INSPECTED,
    env: () => ({ NODE_OPTIONS: INSPECTABLE }),
    attack: (scene) => soak(scene, options.count * MINUTE_MS),
  });
}

async function soak(scene: Scene, lengthMs: number): Promise<void> {
  const { tatara, forge, tell, violations } = scene;
  const stop = new AbortController();
  const endAt = performance.now() + lengthMs;
  const calmUntil = performance.now() + lengthMs * CALM_SHARE;
  forge.api.setWeather(forgeWeather(scene.random("forge")));
  const mayKill = (): boolean => performance.now() > calmUntil;
  let sampled = 0;
  const everyMs = Math.min(SAMPLE_MS, lengthMs / SAMPLES_MIN);
  const all = Promise.all([
    sample(tatara.dataDir, { everyMs, onRound: () => (sampled += 1) }, stop.signal),
    keepChanging(scene, stop.signal),
    keepWatching(scene, stop.signal),
    keepInstalling(scene, stop.signal),
    keepStorming(scene, { mayKill, stop: stop.signal }),
  ]);
  // Whoever fails ends the run at once.
  await Promise.race([all, untilOver(endAt, () => sampled, stop.signal)]).finally(() => {
    stop.abort();
    forge.api.heal();
  });
  const [samples, changes, watched, transactions] = await all;
  const slopes = slopesOf(samples);
  for (const slope of slopes) tell(lineOf(slope));
  const most = (values: readonly number[]): string => `${Math.round(Math.max(0, ...values) / MIB)}`;
  tell(`Redis at most ${most(samples.redisBytes)} MiB, disk ${most(samples.diskBytes)} MiB`);
  tell(
    `${changes} changes of channels, ${transactions} dnf transactions, ${watched} bytes watched`,
  );
  violations.push(...judge(slopes));
}

async function untilOver(endAt: number, sampled: () => number, stop: AbortSignal): Promise<void> {
  const isOver = (): boolean => performance.now() >= endAt && sampled() >= SAMPLES_ENOUGH;
  while (!isOver() && !stop.aborted) await delay(LOOK_EVERY_MS);
}

function withNodeOptions<Name extends ProcessName>(spec: ProcessSpec<Name>): ProcessSpec<Name> {
  return { ...spec, settings: [...spec.settings, "NODE_OPTIONS"] };
}
