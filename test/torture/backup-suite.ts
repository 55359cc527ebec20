import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeBackup, newestBackup } from "../../src/cli/backup/make-backup.ts";
import { checkBackup, restoreBackup } from "../../src/cli/backup/restore-backup.ts";
import { readWorld } from "../../src/cli/doctor/read-world.ts";
import { verifyInvariants } from "../../src/invariants/verify-invariants.ts";
import { processEnv } from "../../src/shared/config.ts";
import { startTatara } from "../support/start-tatara.ts";
import { checkClient } from "./invariants/client.ts";
import { checkLogs } from "./invariants/logs.ts";
import type { Violation } from "./invariants/violation.ts";
import { killAtRandom } from "./killer.ts";
import { untilQuiet } from "./quiet.ts";
import { openRecords } from "./records.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { TATARA_TARGETS } from "./sample-push.ts";
import { underLoad, type Scene } from "./under-load.ts";

const READY_MS = 60_000;
const LOOK_EVERY_MS = 200;
const PAUSE_MS = 1_500;
const never = new AbortController().signal;

/**
 * Takes backups while pushes, publishes and kills go on; then starts another Tatara from the newest one,
 * lets it finish what the backup had begun, and compares all of it with all of it.
 */
export async function runBackupSuite(options: SuiteOptions): Promise<Outcome> {
  const into = await mkdtemp(join(tmpdir(), "tatara-backups-"));
  try {
    return await underLoad(options, {
      attack: async (scene) => {
        await untilPublished(scene.tatara.dataDir);
        const stop = new AbortController();
        const taking = takeUntil(scene, into, stop.signal);
        const { random, tell, dealt } = scene;
        const kills = { random: random("killer"), count: options.count, tell, dealt };
        await killAtRandom(scene.tatara, kills).finally(() => stop.abort());
        await taking;
      },
      check: (scene) => checkRestored(scene, into),
    });
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

/** Without a published package a backup would show little. */
async function untilPublished(dataDir: string): Promise<void> {
  const endAt = performance.now() + READY_MS;
  using records = openRecords(dataDir);
  const isSo = () => records.all("builds").some(({ state }) => state === "passed");
  while (!isSo() && performance.now() < endAt) await delay(LOOK_EVERY_MS);
}

async function takeUntil(scene: Scene, into: string, stop: AbortSignal): Promise<void> {
  const { tatara, tell, violations } = scene;
  do {
    const made = await makeBackup(tatara.dataDir, into, { now: Date.now, signal: never });
    tell(`backup: ${made.files} files, ${made.linkedFiles} of them as before`);
    for (const path of made.missing) {
      violations.push({ figure: "broken", what: `a backup misses ${path}` });
    }
    await delay(PAUSE_MS, undefined, { signal: stop }).catch(() => undefined);
  } while (!stop.aborted);
}

async function checkRestored(scene: Scene, into: string): Promise<readonly Violation[]> {
  const { tell, forge } = scene;
  const backup = await newestBackup(into);
  if (backup === undefined) return [{ figure: "lost", what: "there is no whole backup" }];
  const damaged = await checkBackup(backup, never);
  if (damaged.length > 0) return [{ figure: "broken", what: `damaged: ${damaged.join(", ")}` }];
  // Disposed by hand: what is left behind is told by whoever started it.
  await using tatara = await startTatara({
    env: {
      TATARA_GITHUB_URL: forge.url,
      TATARA_GITHUB_API_URL: forge.apiUrl,
      TATARA_GITHUB_STATUS_TOKEN: forge.statusToken,
      TATARA_HTTP_FORGES: forge.url,
      TATARA_TARGETS,
    },
    prepare: async (dataDir) => {
      await restoreBackup(backup, dataDir, { besideYum: false, signal: never });
    },
  });
  tell("another Tatara runs on the newest backup");
  if (!(await untilQuiet(tatara.dataDir))) tell("it did not become quiet");
  const { dataDir } = tatara;
  await using world = await readWorld({ dataDir, env: processEnv(), now: Date.now, signal: never });
  const { findings } = await verifyInvariants({ ...world, isSettled: true });
  using records = openRecords(dataDir);
  return [
    ...findings.map((one): Violation => ({
      figure: "broken",
      what: `restored: ${JSON.stringify(one)}`,
    })),
    ...(await checkLogs(records, tatara)),
    ...(await checkClient(records, tatara.url)),
  ];
}
