import type { Violation } from "../invariants/violation.ts";
import type { SuiteOptions } from "../suite.ts";
import { armFor, outputOf } from "./arm.ts";
import type { Met } from "./arm.ts";
import { placeOf } from "./places.ts";
import { keyOf, sitesOf } from "./sites.ts";
import type { Site } from "./sites.ts";
import { GIT_TARGETS, TARGETS } from "./targets.ts";
import { arm } from "./trap.ts";
import { keyOfFault, nextShot } from "./wanted.ts";
import type { Volley, Wanted } from "./wanted.ts";
import type { World } from "./world.ts";

/** Not each life goes everywhere; so often a site is aimed at, from the second time on alone. */
const AIMS_MAX = 6;
/** They hold nothing that a refused write could make untrue; the server may start anew (F11). */
const WORKERS = ["build", "publish", "report"] as const;
/**
 * What fails here is lost to nobody: a line of an operator's log, a leftover, a hint, a worker's memory
 * for a restart that did not come. What git's own programs meet while they take a push, they tell
 * whoever pushes; and where a fetch cannot make or link a pack, git itself does it another way, and
 * tells nobody.
 */
const QUIET =
  /^\w+ (?:\S+-log |redis-|\S+ (?:unlink|utimensat) |.*(?:tatara-last-use|journal|\.mark)$|git-receive |git-fetch (?:link |openat .*tmp_(?:pack|idx)$))/;

export interface Run {
  readonly world: World & AsyncDisposable;
  readonly options: SuiteOptions;
  readonly violations: Violation[];
  /** Faults that are still to be dealt. */
  readonly wanted: Map<string, Wanted>;
  /** All that ever were. */
  readonly known: Set<string>;
  /** Of them, those whose place a later list did not show again. */
  readonly unreached: Set<string>;
  dealt: number;
  shots: number;
}

/** A thread has one tracer at a time, so operators' logs have a life of their own, and each git another. */
const LIVES = [
  [false, GIT_TARGETS[0]],
  [true, GIT_TARGETS[1]],
] as const;

/** What each target asks of the disk in one life; in a `short` one neither operators' logs nor fetches. */
export async function listSites(
  { world }: Run,
  { isShort }: { readonly isShort: boolean },
): Promise<readonly Site[]> {
  const { dataDir } = world.tatara;
  const sites: Site[] = [];
  for (const [isLog, git] of isShort ? LIVES.slice(0, 1) : LIVES) {
    const targets = TARGETS.filter(({ name }) => name.endsWith("-log") === isLog);
    await world.gitTrap.arm(git.word, { calls: git.calls });
    const armed = await Promise.all(
      targets.map(async ({ name, trap }) => {
        const one = await arm(await trap(world), dataDir, outputOf(world, name));
        return { name, one };
      }),
    );
    await live(world);
    for (const { name, one } of armed) sites.push(...sitesOf(name, await one.spring()));
    sites.push(...sitesOf(git.name, await world.gitTrap.spring(dataDir)));
  }
  return sites;
}

async function live(world: World): Promise<void> {
  const { sha } = await world.push();
  await world.ended(sha);
}

/**
 * One push after the other, each with as many faults as can meet it without hiding each other, until
 * all were dealt that can be.
 */
export async function dealFaults(run: Run, faultsMax: number): Promise<void> {
  const all = run.known.size;
  while (run.dealt < faultsMax) {
    const shot = nextShot([...run.wanted.values()].filter(({ aims }) => aims < AIMS_MAX));
    if (shot.length === 0) break;
    await shoot(run, shot);
  }
  if (faultsMax < all || run.wanted.size === 0) return;
  await judgeMissed(run);
}

/** What no push met: either nothing writes there any more, or we failed to deal it. */
async function judgeMissed(run: Run): Promise<void> {
  const sites = await listSites(run, { isShort: false });
  const reached = new Set(sites.map(keyOf));
  for (const [name, { site }] of run.wanted) {
    if (reached.has(keyOf(site))) {
      run.violations.push({ figure: "broken", what: `the fault could not be dealt: ${name}` });
    } else {
      run.unreached.add(name);
      run.options.tell(`not reached any more, as a list made now shows: ${name}`);
    }
  }
}

async function shoot(run: Run, shot: readonly Volley[]): Promise<void> {
  const { world } = run;
  const { supervisor } = world.tatara;
  run.shots += 1;
  const restarts = WORKERS.map((name) => supervisor.restartCount(name));
  const armed = await armFor(world, shot, run.shots);
  const startedMs = performance.now();
  const { sha, firstTry } = await world.push();
  // Each attempt meets the next fault, until none is left.
  const state = await world.ended(sha);
  const alarms = await alarmsOf(world, startedMs);
  const hits = note(run, shot, await armed.spring());
  const at = hits.join("; ");
  const facts = [firstTry ? "push taken" : "push taken later", `build ${state}`];
  run.options.tell(
    `${at === "" ? "nothing hit" : at}: ${facts.join(", ")}, ${alarms.length} alarms`,
  );
  if (state !== "passed") {
    run.violations.push({ figure: "unfinished", what: `${at}: the build of ${sha} is ${state}` });
  }
  WORKERS.forEach((name, index) => {
    if (supervisor.restartCount(name) === restarts[index]) return;
    run.violations.push({ figure: "broken", what: `${name} ended itself after ${at}` });
  });
  if (hits.some((hit) => !QUIET.test(hit)) && alarms.length === 0) {
    run.violations.push({ figure: "broken", what: `/healthz says nothing of ${at}` });
  }
}

/** Takes off the list what was hit. */
function note(run: Run, shot: readonly Volley[], met: readonly Met[]): readonly string[] {
  for (const { wanted } of shot) for (const one of wanted) one.aims += 1;
  return met.map(({ wanted: { site, error }, path }) => {
    const { target, call } = site;
    const key = keyOfFault(error, { target, call, place: placeOf(path) });
    if (!run.known.has(key)) run.options.tell(`hit beside the list: ${key}`);
    if (!run.known.has(key) || run.wanted.delete(key)) run.dealt += 1;
    run.known.add(key);
    return key;
  });
}

/** What /healthz says of disks. */
async function alarmsOf({ tatara }: World, sinceMs: number): Promise<readonly string[]> {
  const response = await fetch(`${tatara.url}/healthz`).catch(() => undefined);
  if (response === undefined) return ["the server does not answer"];
  const { problems, warnings } = (await response.json()) as Record<string, readonly string[]>;
  const told = [...(problems ?? []), ...(warnings ?? [])].filter((line) => line.includes("disk"));
  // It remembers for ten minutes; those of earlier faults say nothing of this one.
  const seconds = Math.ceil((performance.now() - sinceMs) / 1_000) + 1;
  return told.filter((line) => Number(/(\d+) s ago/.exec(line)?.[1] ?? 0) <= seconds);
}
