import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { startYum, type Yum } from "../../support/start-yum.ts";
import type { Violation } from "../invariants/violation.ts";
import type { Outcome, SuiteOptions } from "../suite.ts";
import { dnfHost } from "./dnf-loop.ts";
import { madePackages } from "./made-packages.ts";
import { lookAt, type Look } from "./repository-checker.ts";

const TARGET = "debian12.x86_64";
const CHANNEL = "dev";
/** What node calls to bring files to the disk, move, link, remove, make and open them. */
const CALLS = ["fsync", "rename", "link", "unlink", "rmdir", "mkdir"] as const;
/** strace counts per thread and call, so all file work is given one thread. */
const ONE_THREAD = { UV_THREADPOOL_SIZE: "1" };
const FINAL_MS = 60_000;
const CLEARED_MS = 300;

/**
 * `kill -9` at every fsync, rename, link and unlink that a publish makes: strace ends the publish
 * worker at the n-th such call, for n = 1, 2, … until a publish gets through; then again from the
 * start, `count` kills in all. Before and after each restart, dnf and our checker must see a whole
 * generation, and the publish must end once.
 */
export async function runKillSweep(options: SuiteOptions): Promise<Outcome> {
  const { count, tell } = options;
  await using yum = await startYum({ keep: options.keep });
  // A publish that gets through its sweep needs a package too.
  const packages = await madePackages(join(yum.dir, "made"), count * 2 + CALLS.length * 2);
  const place = { url: yum.url, channel: CHANNEL, targets: [TARGET] };
  const host = await dnfHost(join(yum.dir, "host"), place);
  const sweep: Sweep = { yum, host, packages, violations: [], published: 0, kills: 0 };
  await publishUnder(sweep, undefined);

  while (sweep.kills < count) {
    const killsBefore = sweep.kills;
    for (const call of CALLS) {
      // A short run meets each call once, not the first sites of the first.
      const limit = count > CALLS.length ? count : Math.min(count, sweep.kills + 1);
      const sites = await sweepCall(sweep, call, limit);
      tell(`${call}: ${sites} sites; ${sweep.kills} kills so far`);
    }
    if (sweep.kills === killsBefore) {
      broken(sweep, "a publish makes no such call at all: the trap does not work");
      break;
    }
  }
  tell(`${sweep.kills} kills, ${sweep.published} publishes`);
  sweep.violations.push(...(await leftovers(yum)));
  return { accepted: sweep.published, kills: sweep.kills, violations: sweep.violations };
}

/** Answers how many such calls one publish makes, as far as it came. */
async function sweepCall(sweep: Sweep, call: string, count: number): Promise<number> {
  for (let at = 1; ; at += 1) {
    const isOver = sweep.kills >= count || sweep.published >= sweep.packages.length;
    if (isOver || !(await publishUnder(sweep, { call, at }))) return at - 1;
  }
}

interface Trap {
  readonly call: string;
  readonly at: number;
}

interface Sweep {
  readonly yum: Yum;
  readonly host: Awaited<ReturnType<typeof dnfHost>>;
  readonly packages: readonly string[];
  readonly violations: Violation[];
  published: number;
  kills: number;
}

/** Publishes the next package, killed at a call; false if it got through unharmed. */
async function publishUnder(sweep: Sweep, trap: Trap | undefined): Promise<boolean> {
  const { yum, packages } = sweep;
  const when = trap === undefined ? "at rest" : `${trap.call} ${trap.at}`;
  const before = sweep.published === 0 ? undefined : await look(sweep, `before ${when}`);
  const path = packages[sweep.published] ?? "";
  await yum.killPublisher("SIGTERM");
  await yum.startPublisher(ONE_THREAD);
  // The worker is up and idle before the first counted call.
  if (trap !== undefined) await yum.armPublisher(trap);
  const { buildId } = await yum.builds.finish({ packages: [{ path, target: TARGET }] });
  const isKilled = await Promise.race([
    yum.publisherGone(FINAL_MS).then(
      () => true,
      () => false,
    ),
    // What it clears away comes after the switch.
    yum.builds
      .final(buildId, FINAL_MS)
      .then(() => yum.publisherGone(CLEARED_MS))
      .then(
        () => true,
        () => false,
      ),
  ]);
  if (isKilled) {
    sweep.kills += 1;
    if (before !== undefined) await checkBetween(sweep, before, when);
    await yum.startPublisher();
  }
  const end = await yum.builds.final(buildId, FINAL_MS);
  if (end.state !== "passed") {
    broken(sweep, `killed at ${when}: the build ended ${end.state}, ${end.reason ?? ""}`);
  }
  sweep.published += 1;
  await checkAfter(sweep, when);
  return isKilled;
}

async function checkBetween(sweep: Sweep, before: Look, when: string): Promise<void> {
  const now = await look(sweep, `killed at ${when}`);
  const grown = now.packages.length - before.packages.length;
  if (now.revision < before.revision || grown < 0 || grown > 1) {
    broken(sweep, `killed at ${when}: revision ${now.revision} lists ${now.packages.length}`);
  }
  const failure = await sweep.host.refresh();
  if (failure !== undefined) {
    sweep.violations.push({ figure: "clientFailures", what: `killed at ${when}: ${failure}` });
  }
}

async function checkAfter(sweep: Sweep, when: string): Promise<void> {
  const after = await look(sweep, `after the restart from ${when}`);
  if (
    after.packages.length !== sweep.published ||
    new Set(after.packages).size !== sweep.published
  ) {
    broken(sweep, `${when}: ${sweep.published} published, ${after.packages.length} listed`);
  }
}

async function look({ yum, violations }: Sweep, when: string): Promise<Look> {
  const keys = await readFile(join(yum.dataDir, "yum", "keys", "tatara.asc"), "utf8");
  const seen = await lookAt({ url: yum.url, channel: CHANNEL, target: TARGET, keys, download: 2 });
  seen.problems.forEach((what) => violations.push({ figure: "broken", what: `${when}: ${what}` }));
  return seen;
}

function broken({ violations }: Sweep, what: string): void {
  violations.push({ figure: "broken", what });
}

/** A start empties the working folder, whatever earlier lives left in it. */
async function leftovers(yum: Yum): Promise<readonly Violation[]> {
  await yum.killPublisher("SIGTERM");
  await yum.startPublisher();
  const staging = join(yum.dataDir, "yum", "staging");
  await mkdir(staging, { recursive: true });
  const names = await readdir(staging);
  return names
    .filter((name) => /^(?:p-|dropped-)/.test(name))
    .map((name) => ({ figure: "orphans", what: `staging/${name} was left` }));
}
