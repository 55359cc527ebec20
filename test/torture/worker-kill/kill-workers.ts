import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../random.ts";
import type { Scene } from "../under-load.ts";
import type { OwnWorker, Victim } from "./own-workers.ts";
import { phaseView } from "./phases.ts";
import type { Held, Phase, PhaseView } from "./phases.ts";
import type { Fate, Quota } from "./quota.ts";

/** Some phases last milliseconds. */
const LOOK_EVERY_MS = 3;
const KILLS_PER_JOB_MAX = 2;
/** The lease's promise: a job whose worker is dead is queued again before this. */
const QUEUED_AGAIN_MS = 30_000;
/** A phase that does not come in this time does not come any more. */
const PATIENCE_MS = 120_000;
const DEEPER_MS = 120;
/** Who has just been started does not work on what the records still say that it does. */
const BACK_MS = 3_000;
/** These last milliseconds: whoever waits misses them. */
const SHORT: ReadonlySet<Phase> = new Set(["claim", "upload", "publish request"]);

interface Hunt {
  readonly scene: Scene;
  readonly quota: Quota;
  readonly supervised: Victim;
  readonly own: readonly OwnWorker[];
  readonly view: PhaseView;
  readonly random: Random;
  readonly kills: Map<string, number>;
  readonly killedAt: Map<Victim, number>;
  /** Workers that are dead and wait for their time. */
  readonly away: Set<OwnWorker>;
}

interface Prey {
  readonly victim: Victim;
  readonly fate: Fate;
  readonly phase: Phase;
}

/**
 * Kills whoever is in a phase of which kills are still due: the phases come as they come, the quota
 * makes them even. Half of the victims are started again at once; the others when their jobs were
 * given to somebody else.
 */
export async function killWorkers(
  scene: Scene,
  { quota, supervised, own }: Pick<Hunt, "quota" | "supervised" | "own">,
): Promise<void> {
  using view = phaseView(scene.tatara.dataDir);
  const random = scene.random("killer");
  const kills = new Map<string, number>();
  const away = new Set<OwnWorker>();
  const killedAt = new Map<Victim, number>();
  const hunt: Hunt = { scene, quota, supervised, own, view, random, kills, killedAt, away };
  const returning: Promise<void>[] = [];
  const total = quota.left();
  let lastAt = performance.now();
  while (quota.left() > 0 && performance.now() - lastAt < PATIENCE_MS) {
    const prey = findPrey(hunt);
    if (prey === undefined) {
      await delay(LOOK_EVERY_MS);
      continue;
    }
    // Mostly near the beginning of the phase, since most are short.
    const deeperMs = Math.round(random.next() ** 3 * DEEPER_MS);
    if (!SHORT.has(prey.phase)) await delay(deeperMs);
    lastAt = performance.now();
    quota.deal(prey.phase, prey.fate);
    const held = kill(hunt, prey, `${total - quota.left()}/${total}`);
    const worker = own.find((one) => one === prey.victim);
    if (worker !== undefined && prey.fate === "stays away") {
      returning.push(stayAway(hunt, worker, held));
    } else worker?.start();
  }
  if (quota.left() > 0) scene.tell(`${quota.left()} phases did not come: ${quota.describe()}`);
  scene.endLoad();
  await Promise.all(returning);
}

function findPrey(hunt: Hunt): Prey | undefined {
  const { quota, supervised, own, view, kills, killedAt, away } = hunt;
  const held = view.held();
  const publishing = new Set(view.publishing());
  const found: Prey[] = [];
  const look = (victim: Victim, fate: Fate): void => {
    const id = victim.id();
    if (id === undefined) return;
    if (performance.now() - (killedAt.get(victim) ?? -Infinity) < BACK_MS) return;
    const jobs = held.filter(({ worker }) => worker === id);
    if (jobs.some(({ jobId }) => (kills.get(jobId) ?? 0) >= KILLS_PER_JOB_MAX)) return;
    const phases = new Set(jobs.flatMap((job) => job.phases));
    if (jobs.length === 0 && view.hasClaimable()) phases.add("claim");
    if (publishing.has(id)) phases.add("publish request");
    for (const phase of phases) {
      if (quota.leftOf(phase, fate) > 0) found.push({ victim, fate, phase });
    }
  };
  look(supervised, "returns");
  for (const worker of own.filter((one) => !away.has(one))) {
    // Those that stay away are missed by the others, so whoever may come back is taken for that first.
    look(worker, "returns");
    look(worker, "stays away");
  }
  // What is rarest now is due first.
  return found.toSorted((a, b) => quota.leftOf(b.phase, b.fate) - quota.leftOf(a.phase, a.fate))[0];
}

/** What it held when it died. */
function kill({ scene, view, kills, killedAt }: Hunt, prey: Prey, count: string): readonly Held[] {
  const { victim, fate, phase } = prey;
  const id = victim.id();
  const held = view.held().filter(({ worker }) => worker === id);
  victim.kill();
  killedAt.set(victim, performance.now());
  scene.dealt();
  for (const { jobId } of held) kills.set(jobId, (kills.get(jobId) ?? 0) + 1);
  scene.tell(`kill ${count}: ${victim.name} in ${phase}, ${fate}`);
  return held;
}

/** Keeps it dead until all that it had is somebody else's, which must not take longer than promised. */
async function stayAway(
  { scene, view, away }: Hunt,
  worker: OwnWorker,
  jobs: readonly Held[],
): Promise<void> {
  away.add(worker);
  const diedAt = performance.now();
  const isStillIts = ({ jobId, attempt }: Held): boolean => {
    const now = view.attemptOf(jobId);
    return now?.state === "running" && now.attempt === attempt;
  };
  let late = false;
  while (jobs.some(isStillIts)) {
    await delay(50);
    if (!late && performance.now() - diedAt > QUEUED_AGAIN_MS) {
      late = true;
      const what = `${jobs.map(({ jobId }) => jobId).join(", ")} of dead ${worker.name} not queued again in 30 s`;
      scene.violations.push({ figure: "unfinished", what });
    }
    if (performance.now() - diedAt > 4 * QUEUED_AGAIN_MS) break;
  }
  worker.start();
  away.delete(worker);
}
