import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { setTimeout as delay } from "node:timers/promises";
import { apiClient } from "../src/cli/api-client.ts";
import { parseBuildName } from "../src/cli/find-build.ts";
import { initGitRepo } from "../src/cli/git-repo.ts";
import { startSupervisor } from "../src/cli/supervisor.ts";
import type { Supervisor } from "../src/cli/supervisor.ts";
import { isFinal } from "../src/domain/states.ts";
import { usageOf } from "../src/invariants/processes.ts";
import { numbered } from "./support/numbered-lines.ts";
import { startViewers } from "./support/log-viewers.ts";
import type { BenchOptions } from "./main.ts";
import { quantile, round } from "./support/quantiles.ts";

const run = promisify(execFile);
const MIB = 2 ** 20;
/** Under the cap, so that every byte must arrive. */
const STEP_LINES = 420_000;
const STEPS_AT_ONCE = 4;
const VIEWERS = 100;
const PER_SECOND = 50;
const PROBE = "while :; do date +%s%3N; sleep 0.1; done";
const SAMPLE_MS = 500;
const QUIET_MS = 3_000;

/**
 * A flood of output through one worker, spread over steps, while 100 viewers watch another step that
 * tells the time. Every step's log is compared byte for byte. The peer is `docker logs --follow` into
 * a file, of the same output from as many containers at a time.
 */
export async function run_({ seconds }: BenchOptions): Promise<object> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  const dataDir = join(dir, "data");
  const env = {
    ...process.env,
    TATARA_PORT: "0",
    TATARA_DATA_DIR: dataDir,
    TATARA_BUILD_SLOTS: "4",
  };
  const signal = new AbortController().signal;
  const tatara = await startSupervisor({ dataDir, env, signal });
  try {
    const ours = await flood(tatara, dir, seconds);
    print(`ours ${ours.mibPerSecond} MiB/s, lost ${ours.bytesLost} bytes`);
    const peer = await floodPeer(dir, Math.min(ours.steps, 12));
    return {
      ours: ours.mibPerSecond,
      peer: peer.mibPerSecond,
      unit: "MiB/s",
      ratio: round(ours.mibPerSecond / peer.mibPerSecond),
      wanted: PER_SECOND,
      ...ours,
      peerBytesLost: peer.bytesLost,
    };
  } finally {
    await tatara.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
export { run_ as run };

async function flood(tatara: Supervisor, dir: string, seconds: number) {
  const token = await tatara.adminToken();
  const signal = new AbortController().signal;
  const client = apiClient({ url: tatara.url, token, signal });
  const stepMib = numbered(STEP_LINES).bytes / MIB;
  const steps = Math.max(STEPS_AT_ONCE, Math.ceil((seconds * PER_SECOND) / stepMib));
  const push = pusher(tatara.url, token, dir);

  await push("bench/probe", { pipeline: `image: tatara/base\ntest: ${JSON.stringify(PROBE)}\n` });
  const probe = await untilRunning(client, "bench/probe#1");
  const viewers = await startViewers({ url: tatara.url, token, build: probe, count: VIEWERS });
  // What the first events bring is old; what comes then is measured.
  while ((await viewers.take()).length < VIEWERS) await delay(200);
  await delay(QUIET_MS);
  const quiet = await viewers.take();

  const usage = watchUsage(tatara);
  await push("bench/flood", { pipeline: floodPipeline(steps), data: true });
  const id = await untilRunning(client, "bench/flood#1");
  await untilEnded(client, id);
  const most = usage.stop();
  const lags = await viewers.take();
  await viewers.stop();
  await client.cancel(probe);

  const times = await timesOf(tatara.url, token, id);
  const began = Math.min(...times.map(({ startedAt }) => Date.parse(startedAt)));
  const ended = Math.max(...times.map(({ endedAt }) => Date.parse(endedAt)));
  const bytesLost = await compare(
    client,
    id,
    times.map(({ name }) => name),
  );
  return {
    mibPerSecond: round((steps * stepMib) / ((ended - began) / 1_000)),
    seconds: round((ended - began) / 1_000),
    steps,
    mib: Math.round(steps * stepMib),
    bytesLost,
    ...most,
    viewers: VIEWERS,
    lagP50Ms: quantile(lags, 0.5),
    lagP95Ms: quantile(lags, 0.95),
    quietLagP95Ms: quantile(quiet, 0.95),
  };
}

interface StepTimes {
  readonly name: string;
  readonly startedAt: string;
  readonly endedAt: string;
}

async function timesOf(url: string, token: string, id: string): Promise<readonly StepTimes[]> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/api/builds/${id}`, { headers });
  const { jobs } = (await response.json()) as { jobs: { steps: StepTimes[] }[] };
  return jobs.flatMap((job) => job.steps).filter(({ name }) => name.startsWith("flood"));
}

/** As many at a time as one job runs. */
function floodPipeline(steps: number): string {
  const one = (index: number): string => `  flood-${index}: cat /flood.txt\n`;
  const all = Array.from({ length: steps }, (_none, index) => one(index)).join("");
  return `image: ./Dockerfile\ntest:\n${all}`;
}

function pusher(url: string, token: string, dir: string) {
  return async (name: string, what: { readonly pipeline: string; readonly data?: boolean }) => {
    const folder = join(dir, "repos", name);
    await mkdir(folder, { recursive: true });
    const signal = new AbortController().signal;
    const path = process.env["PATH"] ?? "";
    const repo = await initGitRepo(folder, { path, author: "Bench", signal });
    const dockerfile = `FROM tatara/base\nRUN ${numbered(STEP_LINES).command} > /flood.txt\n`;
    await repo.commit({ ".tatara.yml": what.pipeline, Dockerfile: dockerfile }, "flood");
    await repo.push({ url: `${url}/git/${name}.git`, token }, ["main"]);
  };
}

type Client = ReturnType<typeof apiClient>;

async function untilRunning(client: Client, name: string): Promise<string> {
  for (;;) {
    const build = await client.build(parseBuildName(name, undefined)).catch(() => undefined);
    const steps = build?.jobs.flatMap((job) => job.steps) ?? [];
    const test = steps.find((step) => step.name === "test" || step.name.startsWith("flood"));
    if (build !== undefined && test !== undefined && test.state !== "queued") return build.id;
    if (build !== undefined && isFinal(build.state))
      throw new Error(`${name} ended as ${build.state}: ${JSON.stringify(build.failure)}`);
    await delay(100);
  }
}

async function untilEnded(client: Client, id: string): Promise<void> {
  for (;;) {
    const build = await client.build(parseBuildName(id, undefined));
    if (isFinal(build.state)) return;
    await delay(200);
  }
}

/** Bytes that differ or are missing, over all steps. */
async function compare(client: Client, id: string, names: readonly string[]): Promise<number> {
  const wanted = numbered(STEP_LINES);
  let lost = 0;
  for (const step of names) {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of (await client.log(id, { step })) as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    if (hash.digest("hex") !== wanted.sha256) lost += Math.max(1, wanted.bytes - bytes);
  }
  return lost;
}

/** The most that worker and server used. */
function watchUsage(tatara: Supervisor) {
  const most = { workerMib: 0, serverMib: 0 };
  const look = async (): Promise<void> => {
    const parts = { workerMib: "build", serverMib: "server" } as const;
    for (const key of ["workerMib", "serverMib"] as const) {
      const pid = tatara.pidOf(parts[key]);
      if (pid === undefined) continue;
      const { rssBytes } = await usageOf(pid);
      most[key] = Math.max(most[key], Math.round(rssBytes / MIB));
    }
  };
  const timer = setInterval(() => void look().catch(() => undefined), SAMPLE_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}

async function floodPeer(dir: string, steps: number) {
  const wanted = numbered(STEP_LINES);
  const image = `tatara-bench-flood-${process.pid}`;
  const folder = join(dir, "peer");
  await mkdir(folder, { recursive: true });
  const dockerfile = `FROM tatara/base\nRUN ${wanted.command} > /flood.txt\n`;
  const build = run("docker", ["build", "--quiet", "--tag", image, "-"]);
  build.child.stdin?.end(dockerfile);
  await build;
  try {
    let bytes = 0;
    const startedAt = performance.now();
    const one = async (index: number): Promise<void> => {
      const file = join(folder, `${index}.log`);
      const options = ["--log-driver", "local", "--log-opt", "max-size=256m"];
      const { stdout } = await run("docker", [
        "run",
        "--detach",
        ...options,
        image,
        "cat",
        "/flood.txt",
      ]);
      const id = stdout.trim();
      const follow = spawn("docker", ["logs", "--follow", id], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      await pipeline(follow.stdout, createWriteStream(file));
      await run("docker", ["rm", "--force", id]);
      bytes += (await stat(file)).size;
    };
    for (let first = 0; first < steps; first += STEPS_AT_ONCE) {
      const some = Array.from({ length: STEPS_AT_ONCE }, (_none, index) => one(first + index));
      await Promise.all(some);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const made = Math.ceil(steps / STEPS_AT_ONCE) * STEPS_AT_ONCE * wanted.bytes;
    return { mibPerSecond: round(bytes / MIB / seconds), bytesLost: made - bytes };
  } finally {
    await run("docker", ["rmi", "--force", image]).catch(() => undefined);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
