import { setTimeout as delay } from "node:timers/promises";
import { dealOne, keepLooking, pushThroughStorm, type Storm } from "./forge-faults/storm-pusher.ts";
import { drawSpell, spellMs, weatherOf } from "./forge-faults/weather.ts";
import type { Violation } from "./invariants/violation.ts";
import { openRecords } from "./records.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad, WEBHOOK_SECRET } from "./under-load.ts";
import type { Scene } from "./under-load.ts";

/** The storm lasts until it has dealt so many faults a push: what it deals is drawn, and may be little. */
const FAULTS_A_PUSH = 0.4;
/** From so many pushes on, faults are dealt that take a minute to get over. */
const LONG_FROM = 100;
/** Beyond what was asked for, as often as that, where the weather stays fair for too long. */
const MORE_PUSHES = 5;
const REPOS = Array.from({ length: 8 }, (_none, index) => `storm/r${index + 1}`);
const CALM_MS = 300_000;
const LOOK_EVERY_MS = 500;
const REVOKED = "ghp_revoked0000000000000000000000000000";

/**
 * `count` pushes to a forge that is down, slow, limited, late or refuses, whose deliveries go missing,
 * and whose report worker is killed between a post and its answer. In the end each commit shows its
 * newest build's state, no `pending` came after a final one, and every push that was missed was found.
 */
export async function runForgeFaultsSuite(options: SuiteOptions): Promise<Outcome> {
  const { count, tell } = options;
  const storm: Storm = {
    left: count,
    leftAtLast: -MORE_PUSHES * count,
    dealt: 0,
    enough: FAULTS_A_PUSH * count,
    missed: 0,
    openBuilds: 0,
    pushed: new Set(),
  };
  return await underLoad(options, {
    repos: { own: [], github: [] },
    env: (forge) => ({
      TATARA_BUILD_SLOTS: "6",
      TATARA_SWEEP_SECONDS: "4",
      TATARA_GITHUB_HOOK_TOKEN: forge.hookToken,
    }),
    attack: async (scene) => {
      scene.forge.hook.set({
        url: `${scene.tatara.url}/webhooks/github`,
        secret: WEBHOOK_SECRET,
      });
      const over = new AbortController();
      const weather = Promise.all([
        keepWeather(scene, storm, { isLong: count >= LONG_FROM, over: over.signal }),
        keepLooking(scene, storm, over.signal),
      ]);
      try {
        await Promise.all(REPOS.map((repo) => pushThroughStorm(scene, repo, storm)));
      } finally {
        over.abort();
        await weather;
      }
      tell(`the storm is over; ${storm.missed} deliveries went missing`);
      if (count >= LONG_FROM) await untilCalm(scene.tatara.dataDir);
    },
    check: (scene) => checkMissed(scene, storm),
  });
}

/** One spell after the other, until `over`; then the weather is fair and the credential good. */
async function keepWeather(
  scene: Scene,
  storm: Storm,
  { isLong, over }: { readonly isLong: boolean; readonly over: AbortSignal },
): Promise<void> {
  const { forge, tatara, tell } = scene;
  const dealt = (): void => dealOne(scene, storm);
  const random = scene.random("weather");
  const kill = (): void => {
    tell("kills the report worker between a post and its answer");
    tatara.kill("report");
  };
  while (!over.aborted) {
    const spell = drawSpell(random, isLong);
    forge.api.setWeather(weatherOf(spell, random, { dealt, kill }));
    if (spell === "revoked") {
      tell("revokes the credential");
      dealt();
      forge.api.setStatusToken(REVOKED);
    }
    await delay(spellMs(spell, random, isLong), undefined, { signal: over }).catch(() => undefined);
    forge.api.setStatusToken(forge.statusToken);
  }
  forge.api.heal();
}

/** A post that nobody answered may arrive a while later; what was sent since is looked at again then. */
async function untilCalm(dataDir: string): Promise<void> {
  const endAt = performance.now() + CALM_MS;
  while (performance.now() < endAt) {
    using records = openRecords(dataDir);
    if (records.all("outbox").every(({ checkAt }) => checkAt === null)) return;
    await delay(LOOK_EVERY_MS);
  }
}

/** What the server says of missed pushes: all that it knows of are recovered. */
async function checkMissed(scene: Scene, storm: Storm): Promise<readonly Violation[]> {
  const response = await scene.tatara.fetch("/healthz");
  const health = (await response.json()) as { missedPushes: { missed: number; recovered: number } };
  const { missed, recovered } = health.missedPushes;
  scene.tell(
    `${storm.missed} went missing; the server says missed ${missed}, recovered ${recovered}`,
  );
  const open = {
    figure: "lost",
    what: `${missed} missed, and only ${recovered} recovered`,
  } as const;
  const unseen = {
    figure: "broken",
    what: `${storm.missed} went missing, ${missed} were noticed`,
  } as const;
  return [...(recovered < missed ? [open] : []), ...(missed < storm.missed ? [unseen] : [])];
}
