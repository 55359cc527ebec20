import { setTimeout as delay } from "node:timers/promises";
import { startForgeDouble } from "../support/forge-double.ts";
import type { ForgeDouble } from "../support/forge-double.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import type { Violation } from "./invariants/violation.ts";
import { killAtRandom } from "./killer.ts";
import { acceptedCount, emptyLedger } from "./ledger.ts";
import { githubPusher, ownPusher } from "./pushers.ts";
import { untilQuiet } from "./quiet.ts";
import { randomOf } from "./random.ts";
import { openRecords } from "./records.ts";
import { TATARA_TARGETS } from "./sample-push.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { verifyInvariants } from "./verify-invariants.ts";
import { keepMeddling, keepPushing, noteFinals, watchBuilds } from "./workload.ts";

const SECRET = "the-webhook-secret-of-the-torture";
const READY_MS = 5_000;
const OWN_REPOS = ["own/one", "own/two"];
const GITHUB_REPOS = ["hub/one", "hub/two"];

/** Pushes, cancels and reruns while `kill -9` meets every process, then compares all with all. */
export async function runKillSuite(options: SuiteOptions): Promise<Outcome> {
  await using forge = await startForgeDouble();
  const { tell } = options;
  // Disposed by hand: what it leaves behind is a finding, not the end of the run.
  const tatara = await startTatara({ env: environmentFor(forge), keep: options.keep });
  const violations: Violation[] = [];
  const ledger = emptyLedger();
  try {
    await torture({ tatara, forge, ledger, options });
    tell(`waits for quiet; ${acceptedCount(ledger)} accepted`);
    if (!(await untilQuiet(tatara.dataDir))) tell("it did not become quiet");
    using records = openRecords(tatara.dataDir);
    noteFinals(ledger, records.all("builds"));
    tell(`checks ${describe(ledger.finals)}`);
    violations.push(...(await verifyInvariants(tatara, { ledger, forge })));
  } finally {
    await Promise.resolve(tatara[Symbol.asyncDispose]()).catch((err: unknown) => {
      violations.push({
        figure: "orphans",
        what: err instanceof Error ? err.message : String(err),
      });
    });
  }
  return { accepted: acceptedCount(ledger), violations };
}

function environmentFor(forge: ForgeDouble): Record<string, string> {
  return {
    TATARA_GITHUB_URL: forge.url,
    TATARA_GITHUB_API_URL: forge.apiUrl,
    TATARA_GITHUB_STATUS_TOKEN: forge.statusToken,
    TATARA_GITHUB_WEBHOOK_SECRET: SECRET,
    TATARA_HTTP_FORGES: forge.url,
    TATARA_BUILD_SLOTS: "3",
    TATARA_TARGETS,
  };
}

async function torture(parts: {
  readonly tatara: Tatara;
  readonly forge: ForgeDouble;
  readonly ledger: ReturnType<typeof emptyLedger>;
  readonly options: SuiteOptions;
}): Promise<void> {
  const { tatara, forge, ledger, options } = parts;
  const { seed, count, tell } = options;
  const stop = new AbortController();
  const unwatch = new AbortController();
  const watch = await watchBuilds(tatara, ledger, unwatch.signal);
  const actorOf = (name: string) => ({ tatara, ledger, watch, random: randomOf(seed, name) });

  const own = OWN_REPOS.map(async (repo) => {
    const actor = actorOf(repo);
    await keepPushing({ ...actor, push: await ownPusher({ ...actor, repo }) }, stop.signal);
  });
  const hub = GITHUB_REPOS.map(async (repo) => {
    const actor = actorOf(repo);
    const push = await githubPusher({ ...actor, repo, forge, secret: SECRET });
    await keepPushing({ ...actor, push }, stop.signal);
  });
  const kills = async (): Promise<void> => {
    // The first pushes are on their way by then.
    await delay(READY_MS);
    await killAtRandom(tatara, { random: randomOf(seed, "killer"), count, tell });
  };
  const meddling = keepMeddling(actorOf("meddler"), stop.signal);
  await Promise.all([kills().finally(() => stop.abort()), meddling, ...own, ...hub]).finally(() => {
    stop.abort();
    unwatch.abort();
  });
}

function describe(finals: ReadonlyMap<string, string>): string {
  const counts = Map.groupBy(finals.values(), (state) => state);
  return [...counts].map(([state, all]) => `${all.length} ${state}`).join(", ");
}
