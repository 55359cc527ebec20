import { join } from "node:path";
import type { Violation } from "../invariants/violation.ts";
import type { SuiteOptions } from "../suite.ts";
import { classOf } from "./calls.ts";
import type { Seen } from "./calls.ts";
import { sitesOf } from "./sites.ts";
import type { Site } from "./sites.ts";
import { GIT_TARGETS, TARGETS } from "./targets.ts";
import { arm } from "./trap.ts";
import { aimOf, keyOfFault, nextShot, processOf } from "./wanted.ts";
import type { Volley, Wanted } from "./wanted.ts";
import type { World } from "./world.ts";

/** A site comes a little earlier or later in each life; so often it is aimed at. */
const AIMS_MAX = 7;
/** They hold nothing that a refused write could make untrue; the server may start anew (F11). */
const WORKERS = ["build", "publish", "report"] as const;
/**
 * What fails here is lost to nobody: a line of an operator's log, a leftover, a hint, a worker's memory
 * for a restart that did not come. Node tells an I/O error of a recursive mkdir as ENOENT; what git's own
 * programs meet while they take a push, they tell whoever pushes; and where a fetch cannot make or link
 * a pack, git itself does it another way, and tells nobody.
 */
const QUIET =
  /^\w+ (?:\S+-log |redis-|\S+ (?:unlink|utimensat) |.*(?:\.lock|tatara-last-use|journal|\.mark)$|git-receive |git-fetch (?:link |openat .*tmp_(?:pack|idx)$))|^EIO \S+ mkdir /;

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

async function shoot(run: Run, shot: readonly Volley[]): Promise<void> {
  const { world } = run;
  const { supervisor } = world.tatara;
  run.shots += 1;
  const restarts = WORKERS.map((name) => supervisor.restartCount(name));
  const armed = await Promise.all(shot.map((volley) => armFor(world, volley, run.shots)));
  const startedMs = performance.now();
  const { sha, firstTry } = await world.push();
  // Each attempt meets the next fault, until none is left.
  const state = await world.ended(sha);
  const alarms = await alarmsOf(world, startedMs);
  const hits: string[] = [];
  const misled = new Set<string>();
  for (const { volley, spring } of armed) {
    const seen = await spring();
    hits.push(...note(run, volley, seen));
    if (seen.some(({ isOurs }) => !isOurs)) misled.add(processOf(volley.target));
  }
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
    if (misled.has(name)) return run.options.tell(`${name} was hit beside its disk, and ended`);
    run.violations.push({ figure: "broken", what: `${name} ended itself after ${at}` });
  });
  if (hits.some((hit) => !QUIET.test(hit)) && alarms.length === 0) {
    run.violations.push({ figure: "broken", what: `/healthz says nothing of ${at}` });
  }
}

/** Takes off the list what was hit; what only repairs do is hit by chance, and told. */
function note(run: Run, { target, wanted }: Volley, seen: readonly Seen[]): readonly string[] {
  for (const one of wanted) one.aims += 1;
  const hits = seen
    .filter(({ isInjected, isOurs }) => isInjected && isOurs)
    .map(({ call, path, error }) => keyOfFault(error, { target, call, place: classOf(path) }));
  for (const key of hits) {
    const isListed = run.known.has(key);
    if (!isListed) run.options.tell(`hit beside the list: ${key}`);
    if (!isListed || run.wanted.delete(key)) run.dealt += 1;
    run.known.add(key);
  }
  return hits;
}

async function armFor(world: World, volley: Volley, serial: number) {
  const { dataDir } = world.tatara;
  const { target: name, wanted } = volley;
  const inject = wanted.map((one) => ({
    call: one.site.call,
    nth: aimOf(one),
    error: one.error,
  }));
  const git = GIT_TARGETS.find((one) => one.name === name);
  if (git !== undefined) {
    await world.gitTrap.arm(git.word, { calls: git.calls, inject });
    return { volley, spring: () => world.gitTrap.spring(dataDir) };
  }
  const target = TARGETS.find((one) => one.name === name);
  if (target === undefined) throw new Error(`There is no target ${name}.`);
  const output = outputOf(world, `${name}-${serial}`);
  const trap = await arm({ ...(await target.trap(world)), inject }, dataDir, output);
  return { volley, spring: () => trap.spring() };
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

function outputOf({ gitTrap }: World, name: string): string {
  return join(gitTrap.dir, `${name}.trace`);
}
