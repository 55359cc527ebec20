import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { FAILPOINTS } from "../../../src/shared/failpoints.ts";
import type { Failpoint } from "../../../src/shared/failpoints.ts";
import type { Random } from "../random.ts";
import type { Scene } from "../under-load.ts";
import type { Flood } from "./flood.ts";

const LOOK_EVERY_MS = 5;
/**
 * So long a life waits for its failpoint before it is killed at random: for one that every load reaches,
 * for one that waits for a build to come so far and was not reached yet, and at the end of the run.
 */
const PATIENCE_MS = 2_000;
const DEEP_PATIENCE_MS = 12_000;
const LAST_PATIENCE_MS = 45_000;
/** From here on every failpoint must have been reached, however long it takes. */
export const WHOLE_SWEEP = 100;
const HITS_MAX = { common: 12, rare: 2 } as const;
/** Reached hundreds of times a second under this load. */
const COMMON: ReadonlySet<Failpoint> = new Set(["commit.before", "commit.after"]);
const isSoonReached = (name: Failpoint): boolean =>
  /^(?:commit|intake|push|reconcile)\./.test(name);
/** So few that are left to be tried again wait for the next round. */
const ROUND_LEFT = 3;
const DEATH_MS = 60_000;
const EXTRA_LIVES_MAX = 10;
const PROVOKE_EVERY_MS = 1_000;

export interface Lives {
  /** How often each was died at. */
  readonly reached: Reached;
  /** From a death to the first answer after it, in ms. */
  readonly silencesMs: readonly number[];
}

type Reached = ReadonlyMap<Failpoint, number>;

interface Armed {
  readonly name: Failpoint;
  readonly hit: number;
}

/**
 * One life of the server after the other, each ended by a kill -9: at a failpoint that was armed before
 * it was born, at a random moment, or in the middle of its start.
 */
export async function killServers(
  scene: Scene,
  { count, flood, armedPath }: { count: number; flood: Flood; armedPath: string },
): Promise<Lives> {
  const random = scene.random("lives");
  let reached: Reached = new Map();
  const silencesMs: number[] = [];
  // First those that every load reaches, so that a short run meets some.
  const waiting = [
    ...shuffled(FAILPOINTS.filter(isSoonReached), random),
    ...shuffled(
      FAILPOINTS.filter((name) => !isSoonReached(name)),
      random,
    ),
  ];
  let armed: Armed | undefined;
  let hasDied = false;
  const isWhole = count >= WHOLE_SWEEP;
  const livesMax = isWhole ? count + EXTRA_LIVES_MAX : count;

  const isEnough = (lives: number): boolean =>
    lives >= livesMax || (lives >= count && FAILPOINTS.every((name) => reached.has(name)));
  for (let life = 1; !isEnough(life - 1); life += 1) {
    const isLast = life >= count;
    const patienceMs = isLast ? LAST_PATIENCE_MS : patienceFor(armed, { reached, isWhole });
    const death = await endOf(scene, { armed, random, patienceMs, hasDied });
    scene.dealt();
    reached = await reachedIn(scene);
    if (armed !== undefined && death !== armed.name) waiting.push(armed.name);
    const diedAt = performance.now();
    // Read at its birth, which comes after the supervisor's pause.
    if (isLast) waiting.splice(0, Infinity, ...FAILPOINTS.filter((name) => !reached.has(name)));
    const isArmed = isLast || random.chance(0.65);
    armed = isArmed ? nextArmed(waiting, { random, reached, isWhole }) : undefined;
    await writeFile(armedPath, armed === undefined ? "" : `${armed.name}@${armed.hit}:kill`);
    scene.tell(`kill ${life}/${count}: server, ${death}`);
    // Mostly it may live; now and then the next kill meets it while it starts.
    const seen = random.chance(0.85) ? await firstAnswer(scene, flood, diedAt) : "unseen";
    if (seen === "answered") silencesMs.push(flood.answeredAt() - diedAt);
    hasDied = seen === "died";
  }
  await writeFile(armedPath, "");
  return { reached, silencesMs };
}

/** Those that were not reached stand at the end of the row, to be tried again in another life. */
function nextArmed(
  waiting: Failpoint[],
  { random, reached, isWhole }: { random: Random; reached: Reached; isWhole: boolean },
): Armed | undefined {
  // The next round has what is left as well: one place that nobody meets must not hold up the others.
  if (isWhole && waiting.length <= ROUND_LEFT) {
    waiting.splice(0, Infinity, ...shuffled(FAILPOINTS, random));
  }
  const name = waiting.shift();
  if (name === undefined) return undefined;
  if (COMMON.has(name)) return { name, hit: random.integer(1, HITS_MAX.common) };
  // The first time is the soonest; a later one may meet what lies behind it half done.
  return { name, hit: reached.has(name) ? random.integer(1, HITS_MAX.rare) : 1 };
}

/** A short run has no time to wait for builds. */
function patienceFor(
  armed: Armed | undefined,
  { reached, isWhole }: { reached: Reached; isWhole: boolean },
): number {
  const isDeep = armed !== undefined && !isSoonReached(armed.name) && !reached.has(armed.name);
  return isDeep && isWhole ? DEEP_PATIENCE_MS : PATIENCE_MS;
}

/** Kills it, or waits until it has killed itself; says how it died. */
async function endOf(
  { tatara }: Scene,
  options: {
    readonly armed: Armed | undefined;
    readonly random: Random;
    readonly patienceMs: number;
    readonly hasDied: boolean;
  },
): Promise<string> {
  const { armed, random, patienceMs, hasDied } = options;
  if (hasDied && armed !== undefined) return armed.name;
  const { supervisor } = tatara;
  const isDead = (pid: number | undefined): boolean => supervisor.pidOf("server") !== pid;
  let pid = supervisor.pidOf("server");
  while (pid === undefined) {
    await delay(LOOK_EVERY_MS);
    pid = supervisor.pidOf("server");
  }
  if (armed !== undefined) {
    const endAt = performance.now() + patienceMs;
    let provokeAt = performance.now();
    while (!isDead(pid) && performance.now() < endAt) {
      if (performance.now() >= provokeAt) {
        provoke(tatara, armed.name);
        provokeAt += PROVOKE_EVERY_MS;
      }
      await delay(LOOK_EVERY_MS);
    }
    if (isDead(pid)) return armed.name;
  } else await delay(random.integer(0, 900));
  if (isDead(pid)) return "by itself";
  supervisor.kill("server", "SIGKILL");
  const endAt = performance.now() + DEATH_MS;
  while (!isDead(pid) && performance.now() < endAt) await delay(1);
  return "at random";
}

/** Only a publish without a switch comes there: a sweep of the pool, which changes no channel. */
function provoke(tatara: Scene["tatara"], name: Failpoint): void {
  if (name !== "publish-end.after-commit") return;
  // Unanswered where it works: the server dies of it.
  tatara
    .fetch("/api/sweeps", { method: "POST" })
    .then(({ body }) => body?.cancel())
    .catch(() => undefined);
}

/** What is heard of the next life first: an answer, or that it died at its failpoint while it started. */
async function firstAnswer(
  { tatara, violations }: Scene,
  flood: Flood,
  diedAt: number,
): Promise<"answered" | "died" | "silent"> {
  const { supervisor } = tatara;
  const lives = supervisor.restartCount("server");
  const endAt = diedAt + DEATH_MS;
  while (flood.answeredAt() < diedAt) {
    if (supervisor.restartCount("server") > lives + 1) return "died";
    if (performance.now() > endAt) {
      const what = "the server does not answer a minute after its death";
      violations.push({ figure: "unfinished", what });
      return "silent";
    }
    await delay(LOOK_EVERY_MS);
  }
  return "answered";
}

/** As the server wrote it down itself, before it died of it. */
async function reachedIn({ tatara }: Scene): Promise<Reached> {
  const log = await tatara.operatorLog("server");
  const names = [...log.matchAll(/"message":"Failpoint reached","name":"([^"]+)"/g)];
  const reached = new Map<Failpoint, number>();
  for (const [, name = ""] of names) {
    const known = FAILPOINTS.find((one) => one === name);
    if (known !== undefined) reached.set(known, (reached.get(known) ?? 0) + 1);
  }
  return reached;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => [random.next(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}
