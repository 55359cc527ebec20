import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "./main.ts";
import type { FetchOrder, FetchResult } from "./support/fetch-load.ts";
import { startNginx } from "./support/nginx.ts";
import { end, runProcess, startProcess } from "./support/processes.ts";
import { makeYumTree } from "./support/yum-tree.ts";
import { median } from "./support/numbers.ts";

const ROUNDS = 5;
const PACKAGES = 10_000;
/** Small answers are counted by the second, large ones by their bytes. */
const CASES = [
  { name: "mirrorlist", senders: 2, connections: 16, unit: "requests/s" },
  { name: "repomd", senders: 2, connections: 16, unit: "requests/s" },
  { name: "metadata", senders: 2, connections: 16, unit: "requests/s" },
  { name: "smallRpm", senders: 2, connections: 16, unit: "requests/s" },
  { name: "primary", senders: 2, connections: 4, unit: "MB/s" },
  { name: "rpm", senders: 2, connections: 2, unit: "MB/s" },
] as const;
type Case = (typeof CASES)[number];

/**
 * What dnf fetches, from our server process and from nginx with one worker on plain files of the
 * same bytes: the small metadata of a channel, documents of 10,000 packages streamed from their
 * segments, RPMs. In turns, the median of five rounds.
 */
export async function run({ seconds }: BenchOptions): Promise<object> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  const socket = join(dir, "redis.sock");
  const redis = spawn("redis-server", ["--port", "0", "--unixsocket", socket, "--save", ""], {
    stdio: "ignore",
  });
  try {
    const dataDir = join(dir, "data");
    const root = join(dir, "plain");
    const rpmBytes = [
      { name: "smallRpm", bytes: 20 * 1_024 },
      { name: "rpm", bytes: 64 * 2 ** 20 },
    ];
    const { paths } = await makeYumTree({ dataDir, root, packages: PACKAGES, rpmBytes });
    await using server = await startProcess("src/server/main.ts", [], {
      TATARA_DATA_DIR: dataDir,
      TATARA_PORT: "0",
      TATARA_REDIS_URL: `unix://${socket}`,
      TATARA_BUILD_TOKEN: "bench-build-token-0001",
      TATARA_PUBLISH_TOKEN: "bench-publish-token-0001",
      TATARA_REPORT_TOKEN: "bench-report-token-0001",
    });
    await using nginx = await startNginx({ root, workDir: join(dir, "nginx") });
    const ports = { ours: Number(new URL(String(server.ready["url"])).port), peer: nginx.port };
    const cases: Record<string, CaseFigures> = {};
    for (const each of CASES) {
      cases[each.name] = await measure(each, paths[each.name] ?? [], ports, seconds / ROUNDS);
      print(each.name, cases[each.name]);
    }
    const { metadata, rpm } = cases;
    return {
      ours: metadata?.ours,
      peer: metadata?.peer,
      unit: "requests/s",
      ratio: metadata?.ratio,
      p99Ms: metadata?.p99Ms,
      rpmMbPerSecond: rpm?.ours,
      peerName: "nginx, 1 worker",
      failed: Object.values(cases).reduce((sum, each) => sum + each.failed, 0),
      cases,
    };
  } finally {
    await end(redis);
    await rm(dir, { recursive: true, force: true });
  }
}

interface CaseFigures {
  /** Medians. */
  readonly ours: number;
  readonly peer: number;
  readonly unit: string;
  readonly ratio: number;
  readonly p99Ms: number;
  readonly peerP99Ms: number;
  /** Requests of either that were not answered with 200. */
  readonly failed: number;
}

async function measure(
  each: Case,
  paths: readonly string[],
  ports: { readonly ours: number; readonly peer: number },
  seconds: number,
): Promise<CaseFigures> {
  const rounds = { ours: [] as Round[], peer: [] as Round[] };
  await load(each, paths, ports.ours, 0.5);
  await load(each, paths, ports.peer, 0.5);
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.ours.push(await load(each, paths, ports.ours, seconds));
    rounds.peer.push(await load(each, paths, ports.peer, seconds));
  }
  const of = (who: "ours" | "peer", key: "rate" | "p99Ms"): number =>
    median(rounds[who].map((round) => round[key]));
  return {
    ours: of("ours", "rate"),
    peer: of("peer", "rate"),
    unit: each.unit,
    ratio: rounded(of("ours", "rate") / of("peer", "rate")),
    p99Ms: rounded(of("ours", "p99Ms")),
    peerP99Ms: rounded(of("peer", "p99Ms")),
    failed: [...rounds.ours, ...rounds.peer].reduce((sum, { failed }) => sum + failed, 0),
  };
}

interface Round {
  readonly rate: number;
  readonly p99Ms: number;
  readonly failed: number;
}

async function load(
  { senders, connections, unit }: Case,
  paths: readonly string[],
  port: number,
  seconds: number,
): Promise<Round> {
  const order: FetchOrder = { host: "127.0.0.1", port, paths, seconds, connections };
  const results = await Promise.all(
    Array.from({ length: senders }, () =>
      runProcess<FetchResult>("bench/support/fetch-load.ts", [JSON.stringify(order)]),
    ),
  );
  const sum = (value: (result: FetchResult) => number): number =>
    results.reduce((total, result) => total + value(result), 0);
  const rate =
    unit === "MB/s"
      ? sum((result) => result.bodyBytes / result.seconds) / 1e6
      : sum((result) => result.answered / result.seconds);
  const latencies = results.flatMap((result) => result.latencies).toSorted((a, b) => a - b);
  const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
  return { rate: Math.round(rate), p99Ms, failed: sum((result) => result.failed) };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function print(name: string, figures: CaseFigures | undefined): void {
  if (figures === undefined) return;
  const { ours, peer, unit, ratio, p99Ms, peerP99Ms, failed } = figures;
  process.stdout.write(
    `${name.padEnd(12)} ours ${ours} ${unit} (p99 ${p99Ms} ms), nginx ${peer} (p99 ${peerP99Ms} ms), ratio ${ratio}, ${failed} failed\n`,
  );
}
