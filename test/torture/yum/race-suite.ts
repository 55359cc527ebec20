import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startYum, type Yum } from "../../support/start-yum.ts";
import type { Violation } from "../invariants/violation.ts";
import { randomOf } from "../random.ts";
import type { Outcome, SuiteOptions } from "../suite.ts";
import { dnfHost } from "./dnf-loop.ts";
import { madePackages } from "./made-packages.ts";
import { lookAt } from "./repository-checker.ts";

const TARGET = "debian12.x86_64";
const CHANNEL = "dev";
const DNF_HOSTS = 20;
const CHECKERS = 100;
const PUBLISHERS = 10;
/** Each publish may wait for the clients that load this machine. */
const PUBLISH_MS = 300_000;
const CHECKER_PAUSE_MS = 250;

/**
 * Clients while packages are published without a pause: 20 dnf hosts with both signature checks and
 * 100 checkers of every byte they are served. No client may ever see anything but a whole generation.
 */
export async function runRaceSuite(options: SuiteOptions): Promise<Outcome> {
  const { count, tell, seed } = options;
  await using yum = await startYum({ keep: options.keep });
  const packages = await madePackages(join(yum.dir, "made"), count);
  tell(`${packages.length} packages made`);
  await publishOne(yum, packages[0] ?? "");

  const violations: Violation[] = [];
  const fail = (what: string) => violations.push({ figure: "clientFailures", what });
  const stop = new AbortController();
  const keys = await readFile(join(yum.dataDir, "yum", "keys", "tatara.asc"), "utf8");
  const tally = { refreshes: 0, installs: 0, looks: 0, generations: new Set<number>() };
  const clients = [
    ...Array.from({ length: DNF_HOSTS }, (_, i) =>
      runHost({ yum, i, seed, tally, fail }, stop.signal),
    ),
    ...Array.from({ length: CHECKERS }, (_, i) =>
      runChecker({ yum, i, seed, keys, tally, fail }, stop.signal),
    ),
  ];
  const rest = packages.slice(1);
  const failed = await publishAll(yum, rest, tell);
  stop.abort();
  await Promise.all(clients);
  violations.push(...failed, ...(await checkEnd(yum, keys, packages.length)));
  tell(
    `${packages.length} publishes in ${await headOf(yum)} generations; ` +
      `${tally.refreshes} dnf refreshes, ${tally.installs} installs, ${tally.looks} whole looks ` +
      `at ${tally.generations.size} generations`,
  );
  return { accepted: packages.length, violations };
}

interface Client {
  readonly yum: Yum;
  readonly i: number;
  readonly seed: number;
  readonly tally: {
    refreshes: number;
    installs: number;
    looks: number;
    readonly generations: Set<number>;
  };
  readonly fail: (what: string) => void;
}

async function runHost({ yum, i, seed, tally, fail }: Client, signal: AbortSignal) {
  const random = randomOf(seed, `host ${i}`);
  const folder = join(yum.dir, `host-${i}`);
  const host = await dnfHost(folder, { url: yum.url, channel: CHANNEL, targets: [TARGET] });
  while (!signal.aborted) {
    const isInstall = random.chance(0.2);
    const failure = isInstall ? await host.installAndRemove("race-00001") : await host.refresh();
    tally[isInstall ? "installs" : "refreshes"] += 1;
    if (failure !== undefined) fail(`host ${i}: ${failure}`);
  }
}

async function runChecker(
  { yum, i, seed, keys, tally, fail }: Client & { readonly keys: string },
  signal: AbortSignal,
) {
  const random = randomOf(seed, `checker ${i}`);
  const place = { url: yum.url, channel: CHANNEL, target: TARGET, keys };
  let newest = 0;
  while (!signal.aborted) {
    try {
      const look = await lookAt({ ...place, download: random.integer(0, 2) });
      look.problems.forEach((problem) => fail(`checker ${i}: ${problem}`));
      if (look.revision < newest) fail(`checker ${i}: revision ${look.revision} after ${newest}`);
      newest = look.revision;
      tally.looks += 1;
      tally.generations.add(look.revision);
    } catch (err) {
      fail(`checker ${i}: ${err instanceof Error ? err.message : String(err)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, CHECKER_PAUSE_MS * (0.5 + random.next())));
  }
}

async function publishAll(
  yum: Yum,
  packages: readonly string[],
  tell: (line: string) => void,
): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  let next = 0;
  const publisher = async (): Promise<void> => {
    for (let path = packages[next++]; path !== undefined; path = packages[next++]) {
      if (next % 100 === 0) tell(`${next} of ${packages.length} published`);
      const why = await publishOne(yum, path);
      if (why !== undefined) violations.push({ figure: "broken", what: why });
    }
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publisher));
  return violations;
}

async function publishOne(yum: Yum, path: string): Promise<string | undefined> {
  const { buildId } = await yum.builds.finish({ packages: [{ path, target: TARGET }] });
  const end = await yum.builds.final(buildId, PUBLISH_MS);
  return end.state === "passed" ? undefined : `${path}: ${end.state}, ${end.reason ?? ""}`;
}

/** What is left must be what was published: everything, once. */
async function checkEnd(yum: Yum, keys: string, count: number): Promise<readonly Violation[]> {
  const look = await lookAt({
    url: yum.url,
    channel: CHANNEL,
    target: TARGET,
    keys,
    download: count,
  });
  const problems = [...look.problems];
  const distinct = new Set(look.packages).size;
  if (look.packages.length !== count || distinct !== count) {
    problems.push(
      `${count} published, ${look.packages.length} listed, ${distinct} of them distinct`,
    );
  }
  return problems.map((what) => ({ figure: "broken", what }));
}

async function headOf(yum: Yum): Promise<number> {
  const mirror = await fetch(`${yum.url}/yum/${CHANNEL}/${TARGET}/mirrorlist`);
  return Number(/\/g\/(\d+)\//.exec(await mirror.text())?.[1]);
}
