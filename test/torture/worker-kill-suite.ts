import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad } from "./under-load.ts";
import { killWorkers } from "./worker-kill/kill-workers.ts";
import { ownWorker, supervisedWorker } from "./worker-kill/own-workers.ts";
import type { OwnWorker } from "./worker-kill/own-workers.ts";
import { quotaOf } from "./worker-kill/quota.ts";

/** While some are away others must go on: a lease lasts longer than a build. */
const OWN_WORKERS_MAX = 6;
/** One job each: whoever is killed too often must not take a neighbour along. */
const SLOTS = "1";
const REPOS = { own: ["own/two", "own/verified", "own/verified-too"], github: ["hub/two"] };

/**
 * K2: `kill -9` of build workers in every phase of a job. Half come back at once (their supervisor),
 * half stay away until their lease is over. Every build still ends, as its push deserves, with a whole
 * log, and nothing is left of the dead.
 */
export async function runWorkerKillSuite(options: SuiteOptions): Promise<Outcome> {
  const quota = quotaOf(options.count, options.seed);
  const own: OwnWorker[] = [];
  const wanted = Math.min(OWN_WORKERS_MAX, Math.max(2, Math.ceil(options.count / 8)));
  try {
    return await underLoad(options, {
      env: () => ({ TATARA_BUILD_SLOTS: SLOTS }),
      repos: REPOS,
      attack: async (scene) => {
        for (let i = 1; i <= wanted; i += 1) own.push(await ownWorker(scene.tatara, `away-${i}`));
        const supervised = supervisedWorker(scene.tatara);
        await killWorkers(scene, { quota, supervised, own });
        options.tell(`killed (returned + stayed away): ${quota.describe()}`);
      },
      // After the checks: they look at what the restarted ones have left.
      check: async () => {
        await Promise.all(own.map((worker) => worker.stop()));
        return [];
      },
    });
  } finally {
    await Promise.all(own.map((worker) => worker.stop()));
  }
}
