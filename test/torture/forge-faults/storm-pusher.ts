import { setTimeout as delay } from "node:timers/promises";
import { isFinal } from "../../../src/domain/states.ts";
import type { PushToTell } from "../../support/github-deliveries.ts";
import { openRecords } from "../records.ts";
import { samplePush } from "../sample-push.ts";
import type { PushKind } from "../sample-push.ts";
import type { Scene } from "../under-load.ts";

/** Most builds are of the kind that costs no container: this suite is about what is said of them. */
const KINDS = { unreadable: 40, skipped: 35, failing: 15, passing: 10 } as const;
const OUTCOMES = { delivered: 82, listed: 9, lost: 9 } as const;
const FOUND_MS = 180_000;
const LOOK_EVERY_MS = 300;
const OPEN_MAX = 14;

export interface Storm {
  /** Pushes still to be made, by all together; below 0 are those that too fair a weather asks for. */
  left: number;
  /** At this number of them it ends, whatever the weather was. */
  readonly leftAtLast: number;
  dealt: number;
  /** Faults without which a storm has shown nothing. */
  readonly enough: number;
  missed: number;
  /** As the records say, a moment ago. */
  openBuilds: number;
  pushed: ReadonlySet<string>;
}

export function dealOne(scene: Scene, storm: Storm): void {
  storm.dealt += 1;
  scene.dealt();
}

function isOver({ left, leftAtLast, dealt, enough }: Storm): boolean {
  return left <= leftAtLast || (left <= 0 && dealt >= enough);
}

/** Looks at the records for all pushers together, until `over`. */
export async function keepLooking(scene: Scene, storm: Storm, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    {
      using records = openRecords(scene.tatara.dataDir);
      const builds = records.all("builds");
      storm.openBuilds = builds.filter(({ state }) => !isFinal(state)).length;
      storm.pushed = new Set(builds.map(({ after }) => after));
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
  }
}

/** Pushes to one repo until the storm is over; what gets lost on the way must be found before the next. */
export async function pushThroughStorm(scene: Scene, repo: string, storm: Storm): Promise<void> {
  const { forge, ledger, violations } = scene;
  const random = scene.random(repo);
  const hosted = await forge.addRepo(repo, { files: { "README.md": `# ${repo}\n` } });
  for (let serial = 1; !isOver(storm); serial += 1) {
    await room(storm);
    if (isOver(storm)) return;
    storm.left -= 1;
    const drawn = random.weighted(KINDS);
    const { files, message, kind } = drawnPush(repo, serial, drawn);
    const push = await hosted.commit(files, { message });
    // The first makes the repo known.
    const outcome = serial === 1 ? "delivered" : random.weighted(OUTCOMES);
    const { ref, before, after } = push;
    ledger.pushes.push({ forge: "github", repo, ref, before, after, kind });
    if (outcome === "delivered") {
      await deliver(scene, push, random.chance(0.15));
      continue;
    }
    storm.missed += 1;
    dealOne(scene, storm);
    const deliveryId = forge.hook.miss(push, outcome);
    if (!(await isFound(storm, after))) {
      violations.push({ figure: "lost", what: `${repo} ${after}: ${outcome}, and never found` });
    }
    // GitHub may come round to it after all, or somebody presses "redeliver".
    if (random.chance(0.3)) await forge.hook.redeliver(deliveryId);
  }
}

function drawnPush(repo: string, serial: number, drawn: keyof typeof KINDS) {
  const kind: PushKind = drawn === "unreadable" ? "failing" : drawn;
  const { files, message } = samplePush(repo, serial, kind);
  if (drawn !== "unreadable") return { files, message, kind };
  return { files: { ...files, ".tatara.yml": `test: [${serial}\n` }, message, kind };
}

async function deliver({ forge, ledger }: Scene, push: PushToTell, again: boolean): Promise<void> {
  const { deliveryId, status } = await forge.hook.push(push);
  if (status >= 300) throw new Error(`${push.repo}: a delivery was answered ${status}`);
  ledger.deliveries.push({ deliveryId, sameBodyAs: deliveryId });
  if (!again) return;
  const second = await forge.hook.redeliver(deliveryId, { asNew: true });
  ledger.deliveries.push({ deliveryId: second.deliveryId, sameBodyAs: deliveryId });
}

async function isFound(storm: Storm, after: string): Promise<boolean> {
  const endAt = performance.now() + FOUND_MS;
  while (!storm.pushed.has(after)) {
    if (performance.now() > endAt) return false;
    await delay(LOOK_EVERY_MS);
  }
  return true;
}

/** Waits while much is under way: the machine is shared. */
async function room(storm: Storm): Promise<void> {
  while (storm.openBuilds >= OPEN_MAX) await delay(LOOK_EVERY_MS);
}
