import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "./main.ts";
import type { LoadOrder, LoadResult } from "./support/load.ts";
import { cpuSecondsOf } from "./support/cpu-seconds.ts";
import { end, runProcess, startProcess, type BenchProcess } from "./support/processes.ts";

const SECRET = "a-secret-of-the-bench";
const SENDERS = 2;
const CONNECTIONS = 32;
const STEADY_PER_SECOND = 200;

/**
 * Signed 20 KiB pushes over 250 repos, each answered when it is on disk. The peer is the least that
 * could be called durable: express, one HMAC, one commit of one row; ours also records the build,
 * its job and the wanted commit status, checks for duplicates, and queues.
 */
export async function run({ seconds }: BenchOptions): Promise<object> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  try {
    const ours = await measureOurs(dir, seconds);
    const peer = await measurePeer(dir, seconds);
    print("ours", ours);
    print("peer", peer);
    return {
      ours: ours.rate,
      peer: peer.rate,
      unit: "pushes/s",
      ratio: round(ours.rate / peer.rate),
      p50Ms: ours.steady.p50,
      p99Ms: ours.steady.p99,
      peerP50Ms: peer.steady.p50,
      peerP99Ms: peer.steady.p99,
      steadyPerSecond: STEADY_PER_SECOND,
      cpuSecondsPer1000: ours.cpuSecondsPer1000,
      peerCpuSecondsPer1000: peer.cpuSecondsPer1000,
      accepted: ours.accepted,
      lost: ours.accepted - ours.stored,
      refused: ours.refused,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Figures {
  readonly rate: number;
  /** Of the server, at saturation. */
  readonly cpuSecondsPer1000: number;
  readonly accepted: number;
  readonly refused: number;
  readonly stored: number;
  readonly saturated: Quantiles;
  readonly steady: Quantiles;
}

async function measureOurs(dir: string, seconds: number): Promise<Figures> {
  const socket = join(dir, "redis.sock");
  const redis = spawn("redis-server", ["--port", "0", "--unixsocket", socket, "--save", ""], {
    stdio: "ignore",
  });
  try {
    const dataDir = join(dir, "data");
    await using server = await startProcess("src/server/main.ts", [], {
      TATARA_DATA_DIR: dataDir,
      TATARA_PORT: "0",
      TATARA_REDIS_URL: `unix://${socket}`,
      TATARA_GITHUB_WEBHOOK_SECRET: SECRET,
      TATARA_BUILD_TOKEN: "bench-build-token-0001",
      TATARA_PUBLISH_TOKEN: "bench-publish-token-0001",
      TATARA_REPORT_TOKEN: "bench-report-token-0001",
      // The quota is there to protect a server from one repo; here every push must be taken.
      TATARA_WAITING_BUILDS_MAX: "100000",
      // Nobody should ask a forge for these repos, least of all while we measure.
      TATARA_SWEEP_SECONDS: "0",
    });
    const measured = await load(server, seconds);
    const db = new DatabaseSync(join(dataDir, "tatara.db"), { readOnly: true });
    const row = db.prepare("SELECT count(*) AS stored FROM builds").get() as { stored: number };
    db.close();
    return { ...measured, stored: row.stored };
  } finally {
    await end(redis);
  }
}

async function measurePeer(dir: string, seconds: number): Promise<Figures> {
  const path = join(dir, "peer.db");
  await using peer = await startProcess("bench/peers/bare-intake.ts", [path, SECRET]);
  const measured = await load(peer, seconds);
  return { ...measured, stored: measured.accepted };
}

async function load(
  { ready, pid }: BenchProcess,
  seconds: number,
): Promise<Omit<Figures, "stored">> {
  const url = `${String(ready["url"])}/webhooks/github`;
  const order = { url, secret: SECRET, seconds, connections: CONNECTIONS, perSecond: null };
  const send = (more: Partial<LoadOrder> & { stream: string }): Promise<LoadResult> =>
    runProcess<LoadResult>("bench/support/load.ts", [JSON.stringify({ ...order, ...more })]);

  const warm = await send({ stream: "warm", seconds: 1 });
  const cpuBefore = await cpuSecondsOf(pid);
  const saturated = await Promise.all(
    Array.from({ length: SENDERS }, (_none, index) => send({ stream: `full-${index}` })),
  );
  const cpuSeconds = (await cpuSecondsOf(pid)) - cpuBefore;
  const steady = await send({ stream: "steady", perSecond: STEADY_PER_SECOND });
  const all = [warm, ...saturated, steady];
  return {
    rate: Math.round(saturated.reduce((sum, result) => sum + result.answered / result.seconds, 0)),
    cpuSecondsPer1000: round(
      (cpuSeconds * 1_000) / saturated.reduce((sum, { answered }) => sum + answered, 0),
    ),
    accepted: all.reduce((sum, result) => sum + result.answered, 0),
    refused: all.reduce((sum, result) => sum + result.refused, 0),
    saturated: quantiles(saturated.flatMap((result) => result.latencies)),
    steady: quantiles(steady.latencies),
  };
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

function quantiles(latencies: readonly number[]): Quantiles {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function print(who: string, figures: Figures): void {
  const { rate, accepted, refused, stored, saturated, steady, cpuSecondsPer1000 } = figures;
  const full = `${rate}/s at saturation (p50 ${saturated.p50} ms, p99 ${saturated.p99} ms)`;
  const cpu = `${cpuSecondsPer1000} s of CPU per 1000`;
  const calm = `at ${STEADY_PER_SECOND}/s p50 ${steady.p50} ms, p99 ${steady.p99} ms, max ${steady.max} ms`;
  process.stdout.write(
    `${who}  ${full}, ${cpu}; ${calm}; ${accepted} accepted, ${stored} stored, ${refused} refused\n`,
  );
}
