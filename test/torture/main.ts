import { parseArgs } from "node:util";
import type { Figure, Violation } from "./invariants/violation.ts";
import type { Suite } from "./suite.ts";

/** `npm run torture -- --suite kill --count 100 --seed 7`: hurts a whole Tatara, then counts. */
const SUITES: Readonly<Record<string, () => Promise<Suite>>> = {
  kill: async () => (await import("./kill-suite.ts")).runKillSuite,
  "worker-kill": async () => (await import("./worker-kill-suite.ts")).runWorkerKillSuite,
  soak: async () => (await import("./soak-suite.ts")).runSoakSuite,
  "server-kill": async () => (await import("./server-kill-suite.ts")).runServerKillSuite,
  "redis-kill": async () => (await import("./redis-kill-suite.ts")).runRedisKillSuite,
  simulation: async () => (await import("./simulation-suite.ts")).runSimulationSuite,
  "publish-race": async () => (await import("./yum/race-suite.ts")).runRaceSuite,
  "publisher-kill": async () => (await import("./yum/kill-sweep.ts")).runKillSweep,
  "forge-faults": async () => (await import("./forge-faults-suite.ts")).runForgeFaultsSuite,
  clients: async () => (await import("./clients/clients-suite.ts")).runClientsSuite,
  "disk-faults": async () => (await import("./disk-faults-suite.ts")).runDiskFaultsSuite,
  network: async () => (await import("./network-suite.ts")).runNetworkSuite,
  pause: async () => (await import("./pause-suite.ts")).runPauseSuite,
  "docker-kill": async () => (await import("./docker-kill-suite.ts")).runDockerKillSuite,
  backup: async () => (await import("./backup-suite.ts")).runBackupSuite,
  "power-loss": async () => (await import("./power-loss-suite.ts")).runPowerLossSuite,
  upgrade: async () => (await import("./upgrade-suite.ts")).runUpgradeSuite,
  "http-fuzz": async () => (await import("./http-fuzz-suite.ts")).runHttpFuzzSuite,
};
const FIGURES = [
  "lost",
  "duplicated",
  "unfinished",
  "orphans",
  "broken",
  "clientFailures",
] as const satisfies Figure[];

const { values } = parseArgs({
  options: {
    suite: { type: "string", default: "kill" },
    count: { type: "string", default: "10" },
    seed: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});
const { suite: name, keep } = values;
const load = SUITES[name];
const count = Number(values.count);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (load === undefined || !Number.isSafeInteger(count) || !Number.isSafeInteger(seed)) {
  const known = Object.keys(SUITES).join(", ");
  say(`Usage: npm run torture -- --suite <${known}> --count <n> --seed <n> [--keep]`);
  process.exit(2);
}

const replay = `npm run torture -- --suite ${name} --count ${count} --seed ${seed}`;
const startedAt = performance.now();
say(replay);
const suite = await load();
const { accepted, kills, violations } = await suite({ seed, count, keep, tell }).catch(
  (err: unknown) => {
    say(`again: ${replay}`);
    throw err;
  },
);
for (const { figure, what } of violations) say(`${figure}: ${what}`);
if (violations.length > 0) say(`again: ${replay}`);
const seconds = Math.round((performance.now() - startedAt) / 1_000);
// The last line is for programs; what stands above it is for people.
const line = { suite: name, seed, count, kills, accepted, ...countByFigure(violations), seconds };
process.stdout.write(`${JSON.stringify(line)}\n`);
process.exit(violations.length === 0 ? 0 : 1);

function countByFigure(found: readonly Violation[]) {
  return Object.fromEntries(
    FIGURES.map((figure) => [figure, found.filter((one) => one.figure === figure).length]),
  );
}

function tell(line: string): void {
  say(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
