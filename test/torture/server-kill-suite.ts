import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FAILPOINTS } from "../../src/shared/failpoints.ts";
import { openRecords } from "./records.ts";
import { checkAnswers } from "./server-kill/check-answers.ts";
import { floodedRepos, INSIDE, startFlood } from "./server-kill/flood.ts";
import type { Flood } from "./server-kill/flood.ts";
import { killServers, WHOLE_SWEEP } from "./server-kill/lives.ts";
import type { Lives } from "./server-kill/lives.ts";
import type { Violation } from "./invariants/violation.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";
import { underLoad, WEBHOOK_SECRET } from "./under-load.ts";

const READY_MS = 2_000;
/** A run of few kills has few builds to wait for at its end. */
const SMALL_COUNT = 20;
const REPOS = { own: ["own/one", "own/two"], github: ["hub/one"] } as const;
const FEW_REPOS = { own: ["own/one"], github: ["hub/one"] } as const;

/**
 * kill -9 of the server at random moments, in its start and at every failpoint, under hundreds of
 * deliveries a second and pushes to both remotes. Then each 2xx is looked for in the records.
 */
export async function runServerKillSuite(options: SuiteOptions): Promise<Outcome> {
  const { count, tell } = options;
  const dir = await mkdtemp(join(tmpdir(), "tatara-armed-"));
  const armedPath = join(dir, "failpoints");
  await writeFile(armedPath, "");
  let flood: Flood | undefined;
  try {
    const outcome = await underLoad(options, {
      env: () => ({
        TATARA_FAILPOINTS: `file:${armedPath}`,
        TATARA_REPOS: `own/*, hub/*, ${INSIDE}/*`,
      }),
      repos: count < SMALL_COUNT ? FEW_REPOS : REPOS,
      attack: async (scene) => {
        const { tatara, ledger, random } = scene;
        for (const repo of floodedRepos()) await scene.forge.addRepo(repo);
        flood = startFlood({ url: tatara.url, secret: WEBHOOK_SECRET, ledger, random });
        await delay(READY_MS);
        const lives = await killServers(scene, { count, flood, armedPath });
        await flood.stop();
        tell(describeLives(lives));
        scene.violations.push(...unmet(lives, count));
        tell(describeFlood(flood));
      },
      check: ({ tatara }) => {
        using records = openRecords(tatara.dataDir);
        return Promise.resolve(checkAnswers(records.all("deliveries"), flood?.sent ?? []));
      },
    });
    const answered = flood?.sent.reduce((sum, { answers }) => sum + answers, 0) ?? 0;
    return { ...outcome, accepted: outcome.accepted + answered };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** A long run is a sweep of all of them, or it did not look everywhere. */
function unmet({ reached }: Lives, count: number): readonly Violation[] {
  if (count < WHOLE_SWEEP) return [];
  return FAILPOINTS.filter((name) => !reached.has(name)).map((name) => ({
    figure: "broken",
    what: `the server was never killed at the failpoint ${name}`,
  }));
}

function describeLives({ reached, silencesMs }: Lives): string {
  const sorted = silencesMs.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(0);
  const counts = FAILPOINTS.map((name) => `${name} ${reached.get(name) ?? 0}`);
  const met = FAILPOINTS.filter((name) => reached.has(name)).length;
  const sweep = `died at ${met} of ${FAILPOINTS.length} failpoints (${counts.join(", ")})`;
  return `death to first answer: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms; ${sweep}`;
}

function describeFlood({ sent }: Flood): string {
  const answers = sent.reduce((sum, one) => sum + one.answers, 0);
  const deletions = sent.filter(({ isDeletion }) => isDeletion).length;
  return `flood: ${sent.length} deliveries, ${answers} answers of 2xx, ${deletions} with a build`;
}
