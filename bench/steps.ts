import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startSupervisor, type Supervisor } from "../src/cli/supervisor.ts";
import type { BenchOptions } from "./main.ts";
import { median } from "./support/numbers.ts";

const run_ = promisify(execFile);
const PEER = new URL("peers/steps.sh", import.meta.url).pathname;
const IMAGE = "tatara/base";
const STEPS = 20;
const WARM_UPS = 1;
const BUILD_MS = 180_000;
/** What each command does for itself: a quick step, and one that does nothing at all. */
const OWN_MS = { quick: 250, instant: 0 } as const;

/**
 * What a step costs over its command's own time: one build with one job, whose 20 tests need each
 * other in a chain, warm (the image is there, one build went before). Each command prints the clock as
 * its first and as its last act, so its own time is measured inside, not assumed.
 *
 * - **gap**, the figure of the suite: from a command's last act to the next command's first. All that
 *   is done for a step after, between and before is in it, except what was done beside the commands.
 *   Of 20 steps there are 19 gaps; the figure is the median over all gaps of all rounds.
 * - **recorded**: the step's recorded start to end, minus the command's own time.
 *
 * Peers in the same run: the same 20 commands by `docker run --rm` one after the other, and by
 * `docker exec` in one warm container; both by their gaps, started by a shell script. `quick` commands
 * take a quarter of a second, in which the next containers may be made; `instant` ones nothing.
 */
export async function run(options: BenchOptions): Promise<object> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  const dataDir = join(dir, "data");
  const env = { ...process.env, TATARA_PORT: "0", TATARA_DATA_DIR: dataDir };
  const signal = new AbortController().signal;
  await using tatara = await startSupervisor({ dataDir, env, signal });
  const loadAtStart = loadavg()[0] ?? 0;
  try {
    const results: Record<string, Measured> = {};
    for (const [name, ownMs] of Object.entries(OWN_MS)) {
      results[name] = await measure(tatara, join(dir, name), { name, ownMs, ...options });
    }
    const { quick, instant } = results;
    if (quick === undefined || instant === undefined) throw new Error("Nothing was measured.");
    return {
      ...figures(quick),
      peerIs: "docker run --rm",
      instant: figures(instant),
      rounds: options.rounds,
      steps: STEPS,
      load: [loadAtStart, loadavg()[0] ?? 0].map(round),
    };
  } finally {
    await tatara.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

interface Measured {
  readonly gaps: readonly number[];
  readonly recorded: readonly number[];
  readonly own: readonly number[];
  readonly runGaps: readonly number[];
  readonly execGaps: readonly number[];
}

function figures({ gaps, recorded, own, runGaps, execGaps }: Measured) {
  const sorted = gaps.toSorted((a, b) => a - b);
  return {
    ours: round(median(gaps)),
    peer: round(median(runGaps)),
    unit: "ms",
    ratio: round(median(gaps) / median(runGaps)),
    execPeer: round(median(execGaps)),
    recorded: round(median(recorded)),
    own: round(median(own)),
    mean: round(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length),
    p90: round(sorted[Math.floor(sorted.length * 0.9)] ?? 0),
  };
}

async function measure(
  tatara: Supervisor,
  tree: string,
  { name, ownMs, rounds }: { name: string; ownMs: number } & BenchOptions,
): Promise<Measured> {
  const repo = `bench/steps-${name}`;
  const push = await prepareRepo(tatara, tree, { repo, ownMs });
  const all: Measured[] = [];
  for (let index = 0; index < WARM_UPS + rounds; index += 1) {
    const build = await push(index);
    const { times, recorded } = await timesOf(tatara, build);
    const [runTimes, execTimes] = [
      await peerTimes("run", commandOf(ownMs)),
      await peerTimes("exec", commandOf(ownMs)),
    ];
    if (index < WARM_UPS) continue;
    const one = {
      gaps: gapsOf(times),
      recorded: recorded.map((ms, at) => ms - own(times[at])),
      own: times.map(own),
      runGaps: gapsOf(runTimes),
      execGaps: gapsOf(execTimes),
    };
    all.push(one);
    process.stdout.write(
      `${name} ${index}: gap ${round(median(one.gaps))} ms (${one.gaps.map(Math.round).join(" ")}), recorded ${round(median(one.recorded))} ms, docker run ${round(median(one.runGaps))} ms, docker exec ${round(median(one.execGaps))} ms\n`,
    );
  }
  return {
    gaps: all.flatMap((one) => one.gaps),
    recorded: all.flatMap((one) => one.recorded),
    own: all.flatMap((one) => one.own),
    runGaps: all.flatMap((one) => one.runGaps),
    execGaps: all.flatMap((one) => one.execGaps),
  };
}

/** Milliseconds of the wall clock; containers share the host's. */
interface CommandTimes {
  readonly beganMs: number;
  readonly endedMs: number;
}

function own(times: CommandTimes | undefined): number {
  return times === undefined ? Number.NaN : times.endedMs - times.beganMs;
}

function gapsOf(times: readonly CommandTimes[]): readonly number[] {
  return times.slice(1).map(({ beganMs }, index) => beganMs - (times[index]?.endedMs ?? 0));
}

function commandOf(ownMs: number): string {
  const work = ownMs === 0 ? ":" : `sleep ${ownMs / 1_000}`;
  return `echo "began $(date +%s%N)"; ${work}; echo "ended $(date +%s%N)"`;
}

function timesIn(text: string): CommandTimes[] {
  const at = (word: string) =>
    [...text.matchAll(new RegExp(`^${word} (\\d+)$`, "gm"))].map(([, ns]) => Number(ns) / 1e6);
  const ended = at("ended");
  return at("began").map((beganMs, index) => ({ beganMs, endedMs: ended[index] ?? Number.NaN }));
}

function pipelineOf(ownMs: number): string {
  const steps = Array.from({ length: STEPS }, (_, index) => {
    const needs = index === 0 ? "" : `    needs: step-${index}\n`;
    return `  step-${index + 1}:\n${needs}    run: |\n      ${commandOf(ownMs)}\n`;
  });
  return `image: ${IMAGE}\ntest:\n${steps.join("")}`;
}

/** Each call makes a commit, pushes it and waits until its build has passed. */
async function prepareRepo(
  tatara: Supervisor,
  tree: string,
  { repo, ownMs }: { readonly repo: string; readonly ownMs: number },
): Promise<(index: number) => Promise<Build>> {
  const basic = Buffer.from(`bench:${await tatara.adminToken()}`).toString("base64");
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
  const git = (...args: string[]) => run_("git", args, { cwd: tree, env });
  await mkdir(tree);
  await git("init", "--quiet", "--initial-branch=main");
  await writeFile(join(tree, ".tatara.yml"), pipelineOf(ownMs));
  return async (index) => {
    await writeFile(join(tree, "ROUND"), `round ${index}\n`);
    await git("add", "--all");
    await git("commit", "--quiet", "--message", `round ${index}`);
    await git("push", "--quiet", `${tatara.url}/git/${repo}.git`, "HEAD:main");
    const sha = (await git("rev-parse", "HEAD")).stdout.trim();
    return await passed(tatara, repo, sha);
  };
}

interface Build {
  readonly id: string;
  readonly sha: string;
  readonly state: string;
  readonly jobs: readonly {
    readonly steps: readonly {
      readonly kind: string;
      readonly durationMs: number;
      readonly logUrl: string;
    }[];
  }[];
}

async function passed(tatara: Supervisor, repo: string, sha: string): Promise<Build> {
  const until = Date.now() + BUILD_MS;
  for (;;) {
    const { builds } = await json<{ builds: Build[] }>(tatara, `/api/builds?repo=${repo}&limit=1`);
    const [build] = builds;
    if (build?.sha === sha && !["queued", "running"].includes(build.state)) {
      const whole = await json<Build>(tatara, `/api/builds/${build.id}`);
      if (whole.state === "passed") return whole;
      throw new Error(`The build ended as ${whole.state}: ${JSON.stringify(whole)}`);
    }
    if (Date.now() > until) throw new Error("The build did not end in time.");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function timesOf(
  tatara: Supervisor,
  build: Build,
): Promise<{ readonly times: readonly CommandTimes[]; readonly recorded: readonly number[] }> {
  const steps = build.jobs.flatMap((job) => job.steps).filter(({ kind }) => kind === "test");
  if (steps.length !== STEPS) throw new Error(`The build had ${steps.length} tests.`);
  const times: CommandTimes[] = [];
  for (const { logUrl } of steps) {
    const { pathname, search } = new URL(logUrl);
    const log = await (await get(tatara, pathname + search)).text();
    const [one] = timesIn(log);
    if (one === undefined) throw new Error(`No times in a step's log: ${log}`);
    times.push(one);
  }
  return { times, recorded: steps.map(({ durationMs }) => durationMs) };
}

async function peerTimes(how: "run" | "exec", command: string): Promise<readonly CommandTimes[]> {
  const { stdout } = await run_(PEER, [how, String(STEPS), IMAGE, command]);
  return timesIn(stdout);
}

async function json<T>(tatara: Supervisor, path: string): Promise<T> {
  return (await (await get(tatara, path)).json()) as T;
}

async function get(tatara: Supervisor, path: string): Promise<Response> {
  const headers = { authorization: `Bearer ${await tatara.adminToken()}` };
  const answer = await fetch(tatara.url + path, { headers });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}.`);
  return answer;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
