import { setTimeout as delay } from "node:timers/promises";
import { ownPusher } from "../pushers.ts";
import { openRecords } from "../records.ts";
import type { Scene } from "../under-load.ts";

const LOOK_EVERY_MS = 200;
const OPEN_MAX = 40;
const READY_MIN = 2;
const REPOS = ["own/a", "own/b", "own/kit-too"] as const;

/**
 * Pushes whenever little is ready to run: whoever was hit waits half a minute or four, and so long
 * there must be others to be hit.
 */
export async function keepBusy(scene: Scene, stop: AbortSignal): Promise<void> {
  const { tatara, ledger } = scene;
  const random = scene.random("busy");
  const pushers = await Promise.all(
    REPOS.map((repo) => ownPusher({ repo, tatara, ledger, random: scene.random(repo) })),
  );
  const [first, ...rest] = pushers;
  if (first === undefined) return;
  while (!stop.aborted) {
    await delay(LOOK_EVERY_MS, undefined, { signal: stop }).catch(() => undefined);
    if (isHungry(tatara.dataDir)) await random.pick([first, ...rest])("passing");
  }
}

function isHungry(dataDir: string): boolean {
  using records = openRecords(dataDir);
  const jobs = records.all("jobs");
  const open = jobs.filter(({ state }) => state === "queued" || state === "running");
  const now = Date.now();
  const ready = open.filter(({ state, notBeforeAt }) => state === "running" || notBeforeAt <= now);
  return open.length < OPEN_MAX && ready.length < READY_MIN;
}
