import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../src/server/store/store.ts";
import { ensureChannels } from "../src/server/store/channels.ts";
import { recordPush } from "../src/server/store/deliveries.ts";
import { usageOf } from "../src/invariants/processes.ts";
import { readQueues } from "../src/shared/queue-contents.ts";
import { PROTOCOL } from "../src/shared/protocol.ts";
import { ticketsAlone } from "./peers/tickets-alone.ts";
import type { BenchOptions } from "./main.ts";
import { end, startProcess } from "./support/processes.ts";
import { quantile, round } from "./support/quantiles.ts";

const BUILDS = 20_000;
const REPOS = 40;
const CLAIMS = 500;
/** As many as ask at a time. */
const CLAIMERS = 8;
const PAGES = 100;
const ADMIN = "bench-admin-token-000001";
const BUILD = "bench-build-token-000001";
const MIB = 2 ** 20;
/** Room for the reconciler to have written what it writes. */
const SETTLE_MS = 12_000;

/**
 * 20,000 builds wait: how long a worker waits for an answer to "is there work?", how large Redis is,
 * how long people wait for the lists. The peer is BullMQ alone, whose jobs carry what ours look up:
 * one taken after the other from a queue of the same length. It decides nothing: no turns of repos, no
 * leases, no architecture, and nothing is on disk.
 */
export async function run(_options: BenchOptions): Promise<object> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  const socket = join(dir, "redis.sock");
  const config = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir];
  const redis = spawn("redis-server", config, { stdio: "ignore" });
  try {
    await fill(join(dir, "data"));
    print(`${BUILDS} builds of ${REPOS} repos wait`);
    const ours = await measureOurs(join(dir, "data"), `unix://${socket}`);
    print(`claims p50 ${ours.claimP50Ms} ms, p99 ${ours.claimP99Ms} ms`);
    const peer = await ticketsAlone(`unix://${socket}`, BUILDS, CLAIMS);
    return {
      builds: BUILDS,
      unit: "ms",
      ours: ours.claimP50Ms,
      peer: peer.takeP50Ms,
      ratio: round(ours.claimP50Ms / peer.takeP50Ms),
      ...ours,
      peerTakeP99Ms: peer.takeP99Ms,
      peerRedisMib: peer.redisMib,
      peerAddPerSecond: peer.addPerSecond,
    };
  } finally {
    await end(redis);
    await rm(dir, { recursive: true, force: true });
  }
}

/** As pushes make them, past HTTP: 500 in a repo each. */
async function fill(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const buildUrl = (repo: string, number: number): string => `http://bench/${repo}/${number}`;
  const names = { now: Date.now, newId: (prefix: string) => `${prefix}-${randomUUID()}`, buildUrl };
  const store = await openStore(join(dataDir, "tatara.db"), names);
  await store.write(ensureChannels);
  for (let first = 0; first < BUILDS; first += 200) {
    const some = Array.from({ length: 200 }, (_none, index) => first + index);
    await Promise.all(
      some.map((serial) =>
        store.write((tx) => recordPush(tx, intakeOf(serial), { waitingBuildsMax: BUILDS })),
      ),
    );
  }
  await store.close();
}

function intakeOf(serial: number) {
  const after = serial.toString(16).padStart(40, "0").replace(/^0/, "a");
  const push = {
    forge: "github",
    repo: `bench/repo-${serial % REPOS}`,
    ref: "refs/heads/main",
    before: "b".repeat(40),
    after,
    sha: after,
    pusher: "dev1",
    trust: "trusted",
    defaultBranch: "main",
    message: `change ${serial}`,
    authorName: "Dev One",
  } as const;
  const deliveryId = `delivery-${serial}`;
  return {
    forge: "github",
    deliveryId,
    bodyDigest: `digest-${serial}`,
    event: "push",
    push,
  } as const;
}

async function measureOurs(dataDir: string, redisUrl: string) {
  await using server = await startProcess("src/server/main.ts", [], {
    TATARA_DATA_DIR: dataDir,
    TATARA_PORT: "0",
    TATARA_REDIS_URL: redisUrl,
    TATARA_ADMIN_TOKEN: ADMIN,
    TATARA_BUILD_TOKEN: BUILD,
    TATARA_PUBLISH_TOKEN: "bench-publish-token-0001",
    TATARA_REPORT_TOKEN: "bench-report-token-0001",
    TATARA_GITHUB_WEBHOOK_SECRET: "a-secret-of-the-bench",
    TATARA_WAITING_BUILDS_MAX: "100000",
  });
  const url = String(server.ready["url"]);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const pages: Record<string, number> = {};
  const paths = {
    list: "/",
    repo: "/repos/bench/repo-1",
    build: "/repos/bench/repo-1/400",
    queue: "/api/queue",
  };
  for (const [name, path] of Object.entries(paths)) {
    const times = await pageTimes(url + path);
    pages[`${name}P95Ms`] = quantile(times, 0.95);
    print(`${path}: p50 ${quantile(times, 0.5)} ms, p95 ${quantile(times, 0.95)} ms`);
  }
  using queues = await readQueues(redisUrl);
  const tickets = (await queues.tickets("build")).length;
  const redisMib = round((await queues.memoryBytes()) / MIB);
  const claims = await claimTimes(url);
  const { rssBytes } = await usageOf(server.pid);
  return {
    claimP50Ms: quantile(claims, 0.5),
    claimP99Ms: quantile(claims, 0.99),
    claims: claims.length,
    ...pages,
    redisMib,
    tickets,
    serverMib: Math.round(rssBytes / MIB),
  };
}

async function pageTimes(url: string): Promise<readonly number[]> {
  const headers = { authorization: `Bearer ${ADMIN}` };
  const times: number[] = [];
  for (let i = 0; i < PAGES; i += 1) {
    const startedAt = performance.now();
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${url} is answered ${response.status}.`);
    times.push(performance.now() - startedAt);
  }
  return times;
}

/** As idle workers ask; what they get they keep, so that more and more runs. */
async function claimTimes(url: string): Promise<readonly number[]> {
  const times: number[] = [];
  let left = CLAIMS;
  const ask = async (worker: string): Promise<void> => {
    for (; left > 0;) {
      left -= 1;
      const startedAt = performance.now();
      const response = await fetch(`${url}/worker/v1/build/claim`, {
        method: "POST",
        headers: { authorization: `Bearer ${BUILD}`, "content-type": "application/json" },
        body: JSON.stringify({ worker, arch: "x86_64", protocol: PROTOCOL }),
      });
      const text = await response.text();
      if (response.status !== 200)
        throw new Error(`A claim is answered ${response.status}: ${text}`);
      times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: CLAIMERS }, (_none, index) => ask(`w-bench-${index}`)));
  return times;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
