import { join } from "node:path";
import type { Violation } from "../invariants/violation.ts";
import type { SuiteOptions } from "../suite.ts";
import type { Seen } from "./calls.ts";
import { hitsOf, sitesOf } from "./sites.ts";
import type { Site } from "./sites.ts";
import { GIT_TARGETS, TARGETS } from "./targets.ts";
import { arm } from "./trap.ts";
import { aimOf, keyOfFault, nextShot } from "./wanted.ts";
import type { Wanted } from "./wanted.ts";
import type { World } from "./world.ts";

/** A site comes a little earlier or later in each life; so often it is aimed at. */
const AIMS_MAX = 7;
/** They hold nothing that a refused write could make untrue; the server may start anew (F11). */
const WORKERS = ["build", "publish", "report"] as const;
/** What fails here is lost to nobody: a line of an operator's log, a leftover, a hint. */
const QUIET = /-log |^redis-| unlink | utimensat |\.lock$|tatara-last-use$/;

export interface Run {
  readonly world: World & AsyncDisposable;
  readonly options: SuiteOptions;
  readonly violations: Violation[];
  /** Faults that are still to be dealt. */
  readonly wanted: Map<string, Wanted>;
  /** All that ever were. */
  readonly known: Set<string>;
  dealt: number;
  shots: number;
}

/** What each target asks of the disk in one life. */
export async function listSites({ world }: Run): Promise<readonly Site[]> {
  const { dataDir } = world.tatara;
  const sites: Site[] = [];
  // A thread has one tracer at a time, so the operators' logs have a life of their own.
  for (const isLog of [false, true]) {
    const targets = TARGETS.filter(({ name }) => name.endsWith("-log") === isLog);
    const armed = await Promise.all(
      targets.map(async ({ name, trap }) => {
        const one = await arm(await trap(world), dataDir, outputOf(world, name));
        return { name, one };
      }),
    );
    await live(world);
    for (const { name, one } of armed) sites.push(...sitesOf(name, await one.spring()));
  }
  for (const { name, word, calls } of GIT_TARGETS) {
    await world.gitTrap.arm(word, { calls });
    await live(world);
    sites.push(...sitesOf(name, await world.gitTrap.spring(dataDir)));
  }
  return sites;
}

async function live(world: World): Promise<void> {
  const { sha } = await world.push();
  await world.ended(sha);
}

/** One push after the other, each with as many faults as can meet it without hiding each other. */
export async function dealFaults(run: Run, faultsMax: number): Promise<void> {
  const all = run.known.size;
  while (run.dealt < faultsMax) {
    const shot = nextShot([...run.wanted.values()].filter(({ aims }) => aims < AIMS_MAX));
    if (shot.length === 0) break;
    await shoot(run, shot);
  }
  if (faultsMax < all) return;
  for (const name of run.wanted.keys()) {
    run.violations.push({ figure: "broken", what: `the fault could not be dealt: ${name}` });
  }
}

async function shoot(run: Run, shot: readonly Wanted[]): Promise<void> {
  const { world } = run;
  const { supervisor } = world.tatara;
  run.shots += 1;
  const restarts = WORKERS.map((name) => supervisor.restartCount(name));
  const armed = await Promise.all(shot.map((wanted) => armFor(world, wanted, run.shots)));
  const { sha, firstTry } = await world.push();
  await world.settled(sha);
  const alarms = await alarmsOf(world);
  const hits: string[] = [];
  for (const { wanted, spring } of armed) hits.push(...note(run, wanted, await spring()));
  const state = await world.ended(sha);
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
  if (hits.some((hit) => !QUIET.test(hit.replace(/^\w+ /, ""))) && alarms.length === 0) {
    run.violations.push({ figure: "broken", what: `/healthz says nothing of ${at}` });
  }
}

/** Takes off the list what was hit; what only repairs do is hit by chance, and told. */
function note(run: Run, wanted: Wanted, seen: readonly Seen[]): readonly string[] {
  const { target } = wanted.site;
  wanted.aims += 1;
  const hits = hitsOf(target, seen).map((site) => keyOfFault(wanted.error, site));
  for (const key of hits) if (run.wanted.delete(key)) run.dealt += 1;
  for (const site of sitesOf(target, seen)) {
    const key = keyOfFault(wanted.error, site);
    if (run.known.has(key)) continue;
    if (!hits.includes(key)) continue;
    run.known.add(key);
    run.dealt += 1;
    run.options.tell(`hit beside the list: ${key}`);
  }
  return hits;
}

async function armFor(world: World, wanted: Wanted, serial: number) {
  const { site, error } = wanted;
  const { dataDir } = world.tatara;
  const inject = { call: site.call, nth: aimOf(wanted), error };
  const git = GIT_TARGETS.find(({ name }) => name === site.target);
  if (git !== undefined) {
    await world.gitTrap.arm(git.word, { calls: git.calls, inject });
    return { wanted, spring: () => world.gitTrap.spring(dataDir) };
  }
  const target = TARGETS.find(({ name }) => name === site.target);
  if (target === undefined) throw new Error(`There is no target ${site.target}.`);
  const output = outputOf(world, `${site.target}-${serial}`);
  const trap = await arm({ ...(await target.trap(world)), inject }, dataDir, output);
  return { wanted, spring: () => trap.spring() };
}

/** What /healthz says of disks. */
async function alarmsOf({ tatara }: World): Promise<readonly string[]> {
  const response = await fetch(`${tatara.url}/healthz`).catch(() => undefined);
  if (response === undefined) return ["the server does not answer"];
  const { problems, warnings } = (await response.json()) as Record<string, readonly string[]>;
  return [...(problems ?? []), ...(warnings ?? [])].filter((line) => line.includes("disk"));
}

function outputOf({ gitTrap }: World, name: string): string {
  return join(gitTrap.dir, `${name}.trace`);
}
