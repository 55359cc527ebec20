import { setTimeout as delay } from "node:timers/promises";
import { startPrivateEngine } from "../support/private-engine.ts";
import type { PrivateEngine } from "../support/private-engine.ts";
import { checkEngine } from "./docker-kill/check-engine.ts";
import { keepBusy } from "./docker-kill/keep-busy.ts";
import { momentOf } from "./docker-kill/moment-of.ts";
import type { Random } from "./random.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";
import type { Scene } from "./under-load.ts";

const IMAGE = "tatara/base";
/** The relay that `verify` needs listens on this machine's network, where this engine is not. */
const REPOS = { own: ["own/one", "own/kit"], github: ["hub/two"] };
/** What hits a job's last attempt ends it, as is promised; that is no finding. */
const LAST_ATTEMPT = 3;
/** In a small run no job is hit twice: the pause after that is four minutes. */
const SMALL_COUNT = 5;
const SECOND_ATTEMPT = 2;
const WAYS = { kill: 3, stop: 1 } as const;
const ABSENCES = { short: 4, long: 1 } as const;
const ABSENT_MS = { short: { min: 0, max: 400 }, long: { min: 3_000, max: 6_000 } } as const;

/**
 * Kills and restarts a Docker engine of its own under a working Tatara: in the middle of images (both
 * builders) and of steps, with and without live-restore.
 */
export async function runDockerKillSuite(options: SuiteOptions): Promise<Outcome> {
  await using engine = await startPrivateEngine();
  await engine.load(IMAGE);
  options.tell("the private engine is up");
  const env = { DOCKER_HOST: engine.host, TATARA_BUILD_SLOTS: "4" };
  return await underLoad(options, {
    env: () => env,
    repos: REPOS,
    attack: async (scene) => {
      const stop = new AbortController();
      const busy = keepBusy(scene, stop.signal);
      await killAgainAndAgain(scene, engine, options.count).finally(() => stop.abort());
      await busy;
      options.tell(`networks that dockerd could not read any more: ${engine.networkFilesRemoved}`);
    },
    check: async (scene) => await checkEngine(scene, engine),
  });
}

async function killAgainAndAgain(
  scene: Scene,
  engine: PrivateEngine,
  count: number,
): Promise<void> {
  const random = scene.random("killer");
  const sparedAttempt = count <= SMALL_COUNT ? SECOND_ATTEMPT : LAST_ATTEMPT;
  for (let done = 1; done <= count; done += 1) {
    const what = await momentOf(scene.tatara.dataDir, { random, sparedAttempt });
    const how = await killOnce(engine, random);
    scene.dealt();
    scene.tell(`${done}/${count}: ${how} (${what})`);
  }
}

async function killOnce(engine: PrivateEngine, random: Random): Promise<string> {
  const way = random.weighted(WAYS);
  const liveRestore = random.chance(0.4);
  const absence = ABSENT_MS[random.weighted(ABSENCES)];
  await (way === "kill" ? engine.kill() : engine.stop());
  const absentMs = random.integer(absence.min, absence.max);
  await delay(absentMs);
  const removed = engine.networkFilesRemoved;
  await engine.start({ liveRestore });
  const restore = liveRestore ? "with live-restore" : "without live-restore";
  const repaired = engine.networkFilesRemoved > removed ? ", its local-kv.db removed" : "";
  return `${way === "kill" ? "kill -9" : "stop"}, away for ${absentMs} ms, back ${restore}${repaired}`;
}
