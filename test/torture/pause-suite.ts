import { setTimeout as delay } from "node:timers/promises";
import type { ProcessName } from "../../src/cli/processes/process-table.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkNoneLost, checkSignatures, watchDurations } from "./pause/clock-checks.ts";
import { jumpInLanes } from "./pause/clock-jumps.ts";
import { openClocks } from "./pause/clocks.ts";
import type { Clocks } from "./pause/clocks.ts";
import { startScheduled } from "./pause/scheduled-repo.ts";
import { startSecondWorker, workerIdOf } from "./pause/second-worker.ts";
import type { SecondWorker } from "./pause/second-worker.ts";
import { staleContainers, staleLogs } from "./pause/stale-attempts.ts";
import type { Random } from "./random.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";
import type { Scene } from "./under-load.ts";

const BETWEEN_MS = { min: 500, max: 4_000 } as const;
/** A lease lasts 25 s: some pauses are far below, some just around it, some far above. */
const LENGTHS = {
  short: { min: 1_000, max: 6_000 },
  edge: { min: 22_000, max: 30_000 },
  long: { min: 40_000, max: 90_000 },
} as const;
const WEIGHTS = { short: 4, edge: 2, long: 4 } as const;
const SHORT_ONLY = { short: 1, edge: 0, long: 0 } as const;
/** Up to so many faults all are short and at once, so that a change is tested within seconds. */
const SMALL_COUNT = 8;
const LANES = ["build", "second", "publish", "report", "server", "redis"] as const;
type Lane = (typeof LANES)[number];

/**
 * Sets the wall clocks of server, build and publish workers while they work, and back again; nobody may
 * lose a lease by that. Then stops processes for a while and lets them go on: build workers (two of
 * them), the publish worker, the report worker, the server, Redis; some longer than a lease, several at
 * once. Who wakes with a lost lease must stop its containers and change nothing.
 */
export async function runPauseSuite(options: SuiteOptions): Promise<Outcome> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-pause-"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  const clocks = undo.use(await openClocks(dir));
  let second: SecondWorker | undefined;
  undo.defer(async () => second?.end());
  const jumps = Math.ceil(options.count / 2);
  const isSmall = options.count <= SMALL_COUNT;
  return await underLoad(options, {
    env: () => clocks.env,
    processes: clocks.processes,
    attack: async (scene) => {
      second = await startSecondWorker(scene.tatara);
      const pauses = { second, count: options.count - jumps, isSmall };
      const setting = setClocks(scene, clocks, { count: jumps, isSmall });
      // Long pauses cost leases, and nobody could tell what a clock has cost.
      if (!isSmall) await setting;
      await Promise.all([setting, pauseInLanes(scene, pauses)]);
    },
    check: async ({ tatara }) => {
      await second?.end();
      second = undefined;
      return await checkSignatures(tatara.dataDir);
    },
  });
}

async function setClocks(
  scene: Scene,
  clocks: Clocks,
  { count, isSmall }: { readonly count: number; readonly isSmall: boolean },
): Promise<void> {
  const { dataDir } = scene.tatara;
  // In a small run no minute passes.
  const scheduled = isSmall ? undefined : await startScheduled(scene);
  using watch = watchDurations(dataDir);
  let left = count;
  const take = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  await jumpInLanes({ scene, clocks, isSmall, take });
  scene.violations.push(...watch.found(), ...checkNoneLost(dataDir));
  scene.violations.push(...((await scheduled?.check()) ?? []));
  await scheduled?.end();
}

interface Pausing {
  readonly scene: Scene;
  readonly second: SecondWorker;
  readonly weights: Readonly<Record<keyof typeof LENGTHS, number>>;
  /** False once all pauses were given out. */
  take(): boolean;
  readonly paused: Set<Lane>;
}

/** Each process has a lane of its own, so that several stand still at the same time. */
async function pauseInLanes(
  scene: Scene,
  { second, count, isSmall }: { second: SecondWorker; count: number; isSmall: boolean },
): Promise<void> {
  let left = count;
  const take = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  const weights = isSmall ? SHORT_ONLY : WEIGHTS;
  const pausing: Pausing = { scene, second, weights, take, paused: new Set() };
  await Promise.all(LANES.map((lane) => pauseLane(pausing, lane)));
}

async function pauseLane(pausing: Pausing, lane: Lane): Promise<void> {
  const random = pausing.scene.random(`pause ${lane}`);
  for (;;) {
    await delay(random.integer(BETWEEN_MS.min, BETWEEN_MS.max));
    if (!pausing.take()) return;
    await pauseOnce(pausing, lane, random);
  }
}

async function pauseOnce(pausing: Pausing, lane: Lane, random: Random): Promise<void> {
  const { scene, paused } = pausing;
  const { min, max } = LENGTHS[random.weighted(pausing.weights)];
  const forMs = random.integer(min, max);
  signal(pausing, lane, "SIGSTOP");
  paused.add(lane);
  scene.dealt();
  scene.tell(`${lane} stands still for ${(forMs / 1_000).toFixed(1)} s`);
  await delay(forMs);
  // What stale attempts have written by now is all that they may ever have written.
  const before = await staleLogs(scene.tatara.dataDir);
  signal(pausing, lane, "SIGCONT");
  paused.delete(lane);
  if (lane === "build" || lane === "second") await checkWoken(pausing, lane, before);
}

/** Two build workers: the supervised one is called after its test. */
async function checkWoken(
  { scene, paused }: Pausing,
  lane: "build" | "second",
  before: ReadonlyMap<string, number>,
): Promise<void> {
  const { dataDir } = scene.tatara;
  const workerId = await workerIdOf(dataDir, lane === "build" ? "test" : "second");
  const unheard = () => paused.has("server") || paused.has(lane);
  for (const name of await staleContainers(dataDir, workerId, unheard)) {
    scene.violations.push({ figure: "orphans", what: `${name} runs on after its lease was lost` });
  }
  const after = await staleLogs(dataDir);
  for (const [path, sizeBytes] of before) {
    const wroteBytes = (after.get(path) ?? 0) - sizeBytes;
    if (wroteBytes === 0) continue;
    const what = `${path}: a stale attempt wrote ${wroteBytes} bytes`;
    scene.violations.push({ figure: "broken", what });
  }
}

function signal({ scene, second }: Pausing, lane: Lane, name: "SIGSTOP" | "SIGCONT"): void {
  if (lane === "second") second.kill(name);
  else scene.tatara.kill(lane satisfies ProcessName, name);
}
