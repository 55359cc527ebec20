import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad, type Scene } from "./under-load.ts";
import { previousCommit, unpack } from "./upgrade/previous-version.ts";
import { startOldServer } from "./upgrade/refused-downgrade.ts";
import { versionsOf, type Upgraded, type Version, type Versions } from "./upgrade/versions.ts";

const PAUSE_MS = { min: 800, max: 3_000 } as const;
const LOOK_EVERY_MS = 20;
/** A planned stop has 10 s, and the next life its start. */
const REPLACED_MS = 60_000;
const WORKERS = ["build", "publish", "report"] as const;

/**
 * Begins with the version before, builds queued and running; replaces one process after the other, by
 * SIGTERM or by kill -9, in an order that the seed draws, so that the versions talk to each other;
 * then workers go back and forth. In the end all are new, and nothing may be lost.
 */
export async function runUpgradeSuite(options: SuiteOptions): Promise<Outcome> {
  const commit = await previousCommit();
  if (typeof commit !== "string") throw new Error(`The upgrade cannot be tried: ${commit.absent}.`);
  const oldDir = await mkdtemp(join(tmpdir(), "tatara-old-"));
  try {
    await unpack(commit, oldDir);
    options.tell(`begins with ${commit.slice(0, 7)}`);
    const versions = versionsOf(oldDir);
    return await underLoad(options, {
      processes: versions.table,
      attack: (scene) => upgrade(scene, versions, options.count),
      check: async (scene) => await checkDowngrade(scene, oldDir),
    });
  } finally {
    await rm(oldDir, { recursive: true, force: true });
  }
}

async function upgrade(scene: Scene, versions: Versions, count: number): Promise<void> {
  const random = scene.random("upgrade");
  await delay(random.integer(PAUSE_MS.min * 3, PAUSE_MS.max * 2));
  const order: Upgraded[] = ["server", ...WORKERS];
  let done = 0;
  while (order.length > 0) {
    const [next = "server"] = order.splice(random.integer(0, order.length - 1), 1);
    await replace(scene, versions, next, "new");
    done += 1;
  }
  for (; done < count; done += 1) {
    const worker = random.pick(WORKERS);
    await replace(scene, versions, worker, versions.of(worker) === "new" ? "old" : "new");
  }
  for (const worker of WORKERS) {
    if (versions.of(worker) === "old") await replace(scene, versions, worker, "new");
  }
  await delay(random.integer(PAUSE_MS.min, PAUSE_MS.max));
}

/** One process ends and comes back as the other version, while everything else goes on. */
async function replace(
  { tatara, random, tell, dealt, violations }: Scene,
  versions: Versions,
  name: Upgraded,
  version: Version,
): Promise<void> {
  const draw = random(`replace ${name} ${tatara.supervisor.restartCount(name)}`);
  const signal = draw.chance(0.5) ? "SIGTERM" : "SIGKILL";
  versions.set(name, version);
  const before = tatara.supervisor.restartCount(name);
  tatara.kill(name, signal);
  dealt();
  tell(`${name} becomes the ${version} version (${signal})`);
  const deadline = performance.now() + REPLACED_MS;
  const isBack = async (): Promise<boolean> => {
    const { supervisor } = tatara;
    const lives = supervisor.restartCount(name) > before && supervisor.pidOf(name) !== undefined;
    return lives && (name !== "server" || (await answers(tatara.url)));
  };
  while (!(await isBack())) {
    if (performance.now() > deadline) {
      violations.push({ figure: "broken", what: `${name} did not come back as ${version}` });
      return;
    }
    await delay(LOOK_EVERY_MS);
  }
  await delay(draw.integer(PAUSE_MS.min, PAUSE_MS.max));
}

async function answers(url: string): Promise<boolean> {
  return await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
    async (answer) => {
      await answer.body?.cancel();
      return true;
    },
    () => false,
  );
}

/** The version before must not start on a database that it does not know, nor write to it. */
async function checkDowngrade({ tatara, tell }: Scene, oldDir: string) {
  const refusal = await startOldServer(oldDir, join(tatara.dataDir, "tatara.db"));
  tell(`the old server on the new database: status ${refusal.exitCode ?? "none"}`);
  const problems: string[] = [];
  if (refusal.exitCode === 0 || refusal.exitCode === undefined) {
    problems.push("the old server started on a newer database");
  }
  if (!refusal.said.includes("could not be brought to this version")) {
    problems.push(`the old server did not say why: ${refusal.said.slice(0, 300)}`);
  }
  if (!refusal.isUntouched) problems.push("the old server wrote to a newer database");
  return problems.map((what) => ({ figure: "broken", what }) as const);
}
