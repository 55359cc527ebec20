import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startSupervisor, type Supervisor } from "../src/cli/supervisor.ts";
import type { BenchOptions } from "./main.ts";
import { median } from "./support/numbers.ts";

const run = promisify(execFile);
const SAMPLE = fileURLToPath(new URL("../examples/hello-c", import.meta.url));
const PEER = fileURLToPath(new URL("peers/line.sh", import.meta.url));
const PEER_IMAGE = "tatara-bench-line-peer";
const WARM_UPS = 3;
const LINE_MS = 120_000;
const START = "image: ./Dockerfile\ntest: make check\npublish: dev\n";
/** What the script by hand does too, and nothing else. */
const SAME_WORK = `${START}package: { spec: hello.spec, lint: off, verify: false }\n`;
/** As a file says it that does not speak of it: rpmlint, and a clean container before the channel. */
const DEFAULTS = `${START}package: hello.spec\n`;

/**
 * The whole line, warm: from the start of `git push` until the commit status says success, beside a
 * shell script that does the same work by hand. Both see the same commits, one after the other.
 *
 * The script neither lints its packages nor tries them in a clean container, so the compared case says
 * `lint: off` and `verify: false`. A second case, `defaults`, says neither and has no peer: its time
 * is what a push costs with rpmlint, the build's own channel, and an installation by dnf.
 */
export async function run_(options: BenchOptions): Promise<object> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  const dataDir = join(dir, "data");
  const env = { ...process.env, TATARA_PORT: "0", TATARA_DATA_DIR: dataDir };
  await using tatara = await startSupervisor({
    dataDir,
    env,
    signal: new AbortController().signal,
  });
  try {
    const sample = await prepareSample(dir, await tatara.adminToken());
    const state = await preparePeer(dir);
    const ours: Round[] = [];
    const peer: number[] = [];
    for (let round = 0; round < WARM_UPS + options.rounds; round += 1) {
      await sample.change(round, SAME_WORK);
      const own = await pushOurs(tatara, sample);
      const byHand = await timed(() =>
        run(PEER, [sample.tree, join(dir, "peer.git"), state, PEER_IMAGE]),
      );
      if (round < WARM_UPS) continue;
      ours.push(own);
      peer.push(byHand);
      const times = `ours ${Math.round(own.totalMs)} ms, by hand ${Math.round(byHand)} ms`;
      print(`round ${round - WARM_UPS + 1}: ${times}`, own);
    }
    const withDefaults = await timeDefaults(tatara, sample, options);
    return { ...figures(ours, peer), defaults: timesOf(withDefaults) };
  } finally {
    await run("docker", ["rmi", "--force", PEER_IMAGE]).catch(() => undefined);
    await tatara.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
export { run_ as run };

async function timeDefaults(
  tatara: Supervisor,
  sample: Sample,
  { rounds }: BenchOptions,
): Promise<readonly Round[]> {
  const all: Round[] = [];
  for (let round = 0; round < WARM_UPS + rounds; round += 1) {
    await sample.change(1_000 + round, DEFAULTS);
    const own = await pushOurs(tatara, sample);
    if (round < WARM_UPS) continue;
    all.push(own);
    print(`with defaults ${round - WARM_UPS + 1}: ${Math.round(own.totalMs)} ms`, own);
  }
  return all;
}

function print(what: string, { parts }: Round): void {
  const waterfall = Object.entries(parts).map(([name, ms]) => `${name} ${ms}`);
  process.stdout.write(`${what}   (${waterfall.join(", ")})\n`);
}

interface Round {
  readonly totalMs: number;
  /** Where the time went, in the order of the line. */
  readonly parts: Readonly<Record<string, number>>;
}

interface Sample {
  readonly tree: string;
  readonly env: NodeJS.ProcessEnv;
  /** Commits the next round, with this pipeline file. */
  change(round: number, pipeline: string): Promise<void>;
}

async function prepareSample(dir: string, adminToken: string): Promise<Sample> {
  const tree = join(dir, "tree");
  await cp(SAMPLE, tree, { recursive: true });
  const basic = Buffer.from(`bench:${adminToken}`).toString("base64");
  const env = {
    ...process.env,
    GIT_CONFIG_COUNT: "3",
    GIT_CONFIG_KEY_0: "http.extraHeader",
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    GIT_CONFIG_KEY_1: "user.name",
    GIT_CONFIG_VALUE_1: "Bench",
    GIT_CONFIG_KEY_2: "user.email",
    GIT_CONFIG_VALUE_2: "bench@example.com",
  };
  const git = (...args: string[]) => run("git", args, { cwd: tree, env });
  await git("init", "--quiet", "--initial-branch=main");
  return {
    tree,
    env,
    change: async (round, pipeline) => {
      await writeFile(join(tree, ".tatara.yml"), pipeline);
      await writeFile(join(tree, "ROUND"), `round ${round}\n`);
      await git("add", "--all");
      await git("commit", "--quiet", "--message", `round ${round}`);
    },
  };
}

async function preparePeer(dir: string): Promise<string> {
  const state = join(dir, "peer");
  await mkdir(join(state, "yum"), { recursive: true });
  await mkdir(join(state, "gpg"), { recursive: true, mode: 0o700 });
  await run("git", ["init", "--quiet", "--bare", join(dir, "peer.git")]);
  const env = { ...process.env, GNUPGHOME: join(state, "gpg") };
  const quick = [
    "--batch",
    "--passphrase",
    "",
    "--quick-generate-key",
    "peer@example.com",
    "rsa4096",
    "sign",
    "never",
  ];
  await run("gpg", quick, { env });
  const { stdout } = await run("gpg", ["--batch", "--with-colons", "--list-keys"], { env });
  await writeFile(join(state, "key"), /^fpr:+([0-9A-F]{40})/m.exec(stdout)?.[1] ?? "");
  return state;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function pushOurs(tatara: Supervisor, sample: Sample): Promise<Round> {
  const headers = { authorization: `Bearer ${await tatara.adminToken()}` };
  const get = async <T>(path: string): Promise<T> =>
    (await (await fetch(tatara.url + path, { headers })).json()) as T;
  const { stdout } = await run("git", ["rev-parse", "HEAD"], { cwd: sample.tree });
  const sha = stdout.trim();

  const startedAt = performance.now();
  const startedAtEpoch = Date.now();
  await run("git", ["push", "--quiet", `${tatara.url}/git/bench/hello.git`, "HEAD:main"], {
    cwd: sample.tree,
    env: sample.env,
  });
  const pushMs = performance.now() - startedAt;
  for (;;) {
    const [newest] = await get<Status[]>(`/api/repos/bench/hello/statuses/${sha}`);
    if (newest !== undefined && newest.state !== "pending") {
      if (newest.state !== "success") throw new Error(`The build ended as ${newest.description}.`);
      break;
    }
    if (performance.now() - startedAt > LINE_MS) throw new Error("The build did not end in time.");
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  const totalMs = performance.now() - startedAt;
  const { builds } = await get<{ builds: BuildTimes[] }>("/api/builds?repo=bench/hello&limit=1");
  const details = await get<BuildTimes>(`/api/builds/${builds[0]?.id ?? ""}`);
  return { totalMs, parts: partsOf(details, { startedAtEpoch, pushMs, totalMs }) };
}

interface Status {
  readonly state: string;
  readonly description: string;
}

interface BuildTimes {
  readonly id: string;
  readonly createdAt: string;
  readonly endedAt: string;
  readonly jobs: readonly {
    readonly startedAt: string;
    readonly endedAt: string;
    readonly steps: readonly {
      readonly name: string;
      readonly startedAt: string;
      readonly endedAt: string;
    }[];
  }[];
  readonly publish: { readonly startedAt: string; readonly endedAt: string } | null;
}

/** Milliseconds from the start of the push to the end of each part: a waterfall in one line. */
function partsOf(
  build: BuildTimes,
  push: { readonly startedAtEpoch: number; readonly pushMs: number; readonly totalMs: number },
): Record<string, number> {
  const since = (instant: string | undefined): number =>
    Math.round(Date.parse(instant ?? "") - push.startedAtEpoch);
  const [job] = build.jobs;
  const steps = build.jobs
    .flatMap((each) => each.steps)
    .map(({ name, startedAt, endedAt }) => [name, `${since(startedAt)}-${since(endedAt)}`]);
  return {
    recorded: since(build.createdAt),
    pushed: Math.round(push.pushMs),
    claimed: since(job?.startedAt),
    ...(Object.fromEntries(steps) as Record<string, number>),
    jobEnded: since(job?.endedAt),
    publishClaimed: since(build.publish?.startedAt),
    live: since(build.publish?.endedAt),
    reported: Math.round(push.totalMs),
  };
}

function figures(ours: readonly Round[], peer: readonly number[]): object {
  const own = ours.map(({ totalMs }) => totalMs);
  const round = (value: number): number => Math.round(value * 1_000) / 1_000;
  const { ms, minMax } = timesOf(ours);
  return {
    ours: ms,
    peer: Math.round(median(peer)),
    unit: "ms",
    ratio: round(median(own) / median(peer)),
    pairedRatio: round(median(own.map((each, index) => each / (peer[index] ?? 1)))),
    rounds: ours.length,
    oursMinMax: minMax,
    peerMinMax: [Math.round(Math.min(...peer)), Math.round(Math.max(...peer))],
  };
}

function timesOf(rounds: readonly Round[]) {
  const all = rounds.map(({ totalMs }) => totalMs);
  const minMax = [Math.round(Math.min(...all)), Math.round(Math.max(...all))];
  return { ms: Math.round(median(all)), minMax };
}
