import { dealFaults, listSites } from "./disk-faults/deal-faults.ts";
import type { Run } from "./disk-faults/deal-faults.ts";
import { ERRORS, isLonely, wantedOf } from "./disk-faults/wanted.ts";
import { keyOf } from "./disk-faults/sites.ts";
import { openWorld } from "./disk-faults/world.ts";
import type { World } from "./disk-faults/world.ts";
import { acceptedCount } from "./ledger.ts";
import { untilQuiet } from "./quiet.ts";
import { openRecords } from "./records.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { verifyInvariants } from "./verify-invariants.ts";
import { noteFinals } from "./workload.ts";

/**
 * Lists every place at which a process asks the disk to take something during the life of a push,
 * then fails each of them, once with a full disk and once with an I/O error; `count` caps the faults.
 * After each, the push must have been taken whole or refused, its build must pass without a restart,
 * and /healthz must say what happened. Two Tataras share the work.
 */
export async function runDiskFaultsSuite(options: SuiteOptions): Promise<Outcome> {
  const isSmall = options.count < SMALL_COUNT;
  const names = isSmall ? ["both"] : ["workers", "build"];
  const worlds = await Promise.all(names.map(() => openWorld(options.keep)));
  const runs: Run[] = worlds.map((world) => ({
    world,
    options,
    violations: [],
    wanted: new Map(),
    known: new Set(),
    unreached: new Set(),
    dealt: 0,
    shots: 0,
  }));
  const [first, second] = runs;
  if (first === undefined) throw new Error("There is no Tatara.");
  try {
    // The first life makes folders and caches that the others find.
    await Promise.all(worlds.map(warmUp));
    const sites = await listSites(first, { isShort: isSmall });
    for (const site of sites) options.tell(`site ${keyOf(site)}`);
    options.tell(`${sites.length} sites, ${sites.length * ERRORS.length} faults`);
    const wanted = wantedOf(sites, options.seed);
    for (const one of wanted) {
      const run = second !== undefined && isLonely(one) ? second : first;
      run.wanted.set(one.key, one);
      run.known.add(one.key);
    }
    const share = options.count >= wanted.length ? wanted.length : options.count / runs.length;
    await Promise.all(runs.map((run) => dealFaults(run, share)));
    await Promise.all(runs.map(checkAll));
  } finally {
    await Promise.all(runs.map((run) => close(run)));
  }
  tellTotals(runs, options);
  return {
    accepted: runs.reduce((sum, { world }) => sum + acceptedCount(world.ledger), 0),
    kills: runs.reduce((sum, { dealt }) => sum + dealt, 0),
    violations: runs.flatMap(({ violations }) => violations),
  };
}

/** Up to so many faults, one Tatara is enough. */
const SMALL_COUNT = 50;

async function warmUp(world: World): Promise<void> {
  const { sha } = await world.push();
  await world.ended(sha);
}

async function close({
  world,
  violations,
}: Run & { world: Partial<AsyncDisposable> }): Promise<void> {
  await Promise.resolve(world[Symbol.asyncDispose]?.()).catch((err: unknown) => {
    const what = err instanceof Error ? err.message : String(err);
    violations.push({ figure: "orphans", what });
  });
}

function tellTotals(runs: readonly Run[], { tell }: SuiteOptions): void {
  const dealt = runs.reduce((sum, run) => sum + run.dealt, 0);
  const shots = runs.reduce((sum, run) => sum + run.shots, 0);
  const all = runs.reduce((sum, run) => sum + run.known.size, 0);
  const gone = runs.reduce((sum, run) => sum + run.unreached.size, 0);
  const share = Math.floor((dealt / Math.max(1, all - gone)) * 100);
  const rest = gone === 0 ? "" : `; ${gone} at places that are not reached any more`;
  tell(`${dealt} of ${all} faults dealt (${share} %) in ${shots} pushes${rest}`);
}

async function checkAll({ world, violations, options }: Run): Promise<void> {
  const { tatara, ledger, forge } = world;
  if (!(await untilQuiet(tatara.dataDir))) options.tell("it did not become quiet");
  using records = openRecords(tatara.dataDir);
  noteFinals(ledger, records.all("builds"));
  violations.push(...(await verifyInvariants(tatara, { ledger, forge })));
}
