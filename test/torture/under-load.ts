import type { ProcessTable } from "../../src/cli/processes/process-table.ts";
import { startForgeDouble } from "../support/forge-double.ts";
import type { ForgeDouble } from "../support/forge-double.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { CANARY_REPO, plantCanary } from "./canary.ts";
import type { Violation } from "./invariants/violation.ts";
import { acceptedCount, emptyLedger } from "./ledger.ts";
import type { Ledger } from "./ledger.ts";
import { githubPusher, ownPusher } from "./pushers.ts";
import { untilQuiet } from "./quiet.ts";
import { randomOf } from "./random.ts";
import type { Random } from "./random.ts";
import { openRecords } from "./records.ts";
import { TATARA_TARGETS } from "./sample-push.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { verifyInvariants } from "./verify-invariants.ts";
import { keepMeddling, keepPushing, noteFinals, watchBuilds } from "./workload.ts";
import type { Watch } from "./workload.ts";

/** Signs the deliveries of GitHub. */
export const WEBHOOK_SECRET = "the-webhook-secret-of-the-torture";
const OWN_REPOS = ["own/one", "own/two"];
const GITHUB_REPOS = ["hub/one", "hub/two"];

/** A whole Tatara under load, and all that a suite needs to hurt it. */
export interface Scene {
  readonly tatara: Tatara;
  readonly forge: ForgeDouble;
  readonly ledger: Ledger;
  /** A stream of its own per name: what one actor draws does not shift another's. */
  random(name: string): Random;
  readonly tell: (line: string) => void;
  /** Counts one fault that was dealt: a kill, a pause, a cut. */
  dealt(): void;
  /** No more pushes: whoever has hurt enough and still looks at something needs no more of them. */
  endLoad(): void;
  readonly violations: Violation[];
}

export interface LoadPlan {
  /** Settings beside the usual ones; a suite may put its own proxies between the parts. */
  readonly env?: (forge: ForgeDouble) => Readonly<Record<string, string>>;
  /** Other programs than the usual: a suite may start them behind something of its own. */
  readonly processes?: ProcessTable;
  /** Hurts, while pushes, cancels and reruns go on; they stop when it returns. */
  readonly attack: (scene: Scene) => Promise<void>;
  /** Looks at what only this suite can see, after all is quiet. */
  readonly check?: (scene: Scene) => Promise<readonly Violation[]>;
  readonly repos?: { readonly own: readonly string[]; readonly github: readonly string[] };
}

/** Runs the attack under load, waits until all is quiet, then compares everything with everything. */
export async function underLoad(options: SuiteOptions, plan: LoadPlan): Promise<Outcome> {
  await using forge = await startForgeDouble();
  const { tell, seed, keep } = options;
  const env = { ...environmentFor(forge), ...plan.env?.(forge) };
  // Disposed by hand: what it leaves behind is a finding, not the end of the run.
  const processes = plan.processes === undefined ? {} : { processes: plan.processes };
  const tatara = await startTatara({ env, keep, ...processes });
  const violations: Violation[] = [];
  const ledger = emptyLedger();
  let kills = 0;
  const random = (name: string) => randomOf(seed, name);
  const dealt = () => void (kills += 1);
  const stop = new AbortController();
  const endLoad = () => stop.abort();
  const scene: Scene = { tatara, forge, ledger, random, tell, dealt, endLoad, violations };
  try {
    // Before anybody hurts: what runs it again would miss the secret.
    const pusher = { tatara, ledger, random: random("canary"), repo: CANARY_REPO };
    const canaries = [await plantCanary(tatara, await ownPusher(pusher))];
    await attackUnderLoad(scene, plan, stop.signal);
    tell(`waits for quiet; ${acceptedCount(ledger)} accepted`);
    if (!(await untilQuiet(tatara.dataDir))) tell("it did not become quiet");
    using records = openRecords(tatara.dataDir);
    noteFinals(ledger, records.all("builds"));
    tell(`checks ${describe(ledger.finals)}`);
    violations.push(...(await verifyInvariants(tatara, { ledger, forge, canaries })));
    violations.push(...((await plan.check?.(scene)) ?? []));
  } finally {
    await Promise.resolve(tatara[Symbol.asyncDispose]()).catch((err: unknown) => {
      const what = err instanceof Error ? err.message : String(err);
      violations.push({ figure: "orphans", what });
    });
  }
  return { accepted: acceptedCount(ledger), kills, violations };
}

function environmentFor(forge: ForgeDouble): Record<string, string> {
  return { ...forgeSettings(forge), TATARA_TARGETS };
}

/** Of a Tatara that builds what the forge double tells and hosts. */
export function forgeSettings(forge: ForgeDouble): Record<string, string> {
  return {
    TATARA_GITHUB_URL: forge.url,
    TATARA_GITHUB_API_URL: forge.apiUrl,
    TATARA_GITHUB_STATUS_TOKEN: forge.statusToken,
    TATARA_GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET,
    TATARA_HTTP_FORGES: forge.url,
    TATARA_BUILD_SLOTS: "3",
  };
}

async function attackUnderLoad(scene: Scene, plan: LoadPlan, stop: AbortSignal): Promise<void> {
  const unwatch = new AbortController();
  const watch = await watchBuilds(scene.tatara, scene.ledger, unwatch.signal);
  const attack = plan.attack(scene).finally(() => scene.endLoad());
  await Promise.all([attack, ...load(scene, plan, watch, stop)]).finally(() => {
    scene.endLoad();
    unwatch.abort();
  });
}

/** Everybody who pushes, cancels and runs again, until `stop`. */
function load(scene: Scene, plan: LoadPlan, watch: Watch, stop: AbortSignal): Promise<void>[] {
  const { tatara, ledger, forge, random } = scene;
  const { own, github } = plan.repos ?? { own: OWN_REPOS, github: GITHUB_REPOS };
  const actorOf = (name: string) => ({ tatara, ledger, watch, random: random(name) });
  return [
    keepMeddling(actorOf("meddler"), stop),
    ...own.map(async (repo) => {
      const actor = actorOf(repo);
      await keepPushing({ ...actor, push: await ownPusher({ ...actor, repo }) }, stop);
    }),
    ...github.map(async (repo) => {
      const actor = actorOf(repo);
      const push = await githubPusher({ ...actor, repo, forge, secret: WEBHOOK_SECRET });
      await keepPushing({ ...actor, push }, stop);
    }),
  ];
}

function describe(finals: ReadonlyMap<string, string>): string {
  const counts = Map.groupBy(finals.values(), (state) => state);
  return [...counts].map(([state, all]) => `${all.length} ${state}`).join(", ");
}
