import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import type { ApiBuild } from "../src/cli/api-types.ts";
import { buildHostImage, exampleRepo, hostTargets } from "../test/support/example-life.ts";
import { startTatara } from "../test/support/start-tatara.ts";
import type { Tatara, TestRepo } from "../test/support/start-tatara.ts";
import type { BenchOptions } from "./main.ts";
import { median } from "./support/numbers.ts";

const exec = promisify(execFile);
const PEER_IMAGE = "tatara-bench-cache-peer";
const BUILD_MS = 600_000;

/** A file of each example that most people would change, and what a line of it looks like. */
const EXAMPLES = {
  "area-autotools": ["src/shapes.c", "/* ROUND */"],
  "words-go": ["main.go", "// ROUND"],
  "tally-python": ["src/tally/main.py", "# ROUND"],
  "greeter-node": ["src/greet.js", "// ROUND"],
  "snapshot-shell": ["bin/snapshot", "# ROUND"],
} as const satisfies Readonly<Record<string, readonly [path: string, line: string]>>;

const KINDS = ["cold", "warm", "change"] as const;
type Kind = (typeof KINDS)[number];

/**
 * What is reused: for each example a build from scratch (`rerun --fresh`: no layer, no cache), one more of
 * the same commit, and one of a commit that changes one line. Milliseconds, of the same run:
 *
 * - `totalMs`: from the push (or the rerun) until the build is final, packages verified and published;
 * - `imageMs`, `testMs`, `packageMs`, `verifyMs`: the steps' own times as their pages show them, summed;
 * - `ours`, `peer`: the step `image` beside `docker build` of the same Dockerfile by hand (cold: with
 *   `--no-cache`). There is no fair peer for the rest that is one command.
 *
 * Cold once, since it downloads compilers; warm and changed the median of the rounds.
 */
export async function run({ rounds }: BenchOptions): Promise<object> {
  // One of the packages needs nodejs where it is installed.
  await using _host = await buildHostImage();
  const TATARA_TARGETS = hostTargets("debian12.x86_64");
  await using tatara = await startTatara({ env: { TATARA_TARGETS } });
  const cases: Case[] = [];
  for (const [example, [path, line]] of Object.entries(EXAMPLES)) {
    const repo = await exampleRepo(tatara, example);
    await repo.push();
    const first = await tatara.until(`${repo.name}#1`, "passed", BUILD_MS);
    await using peer = await openPeer(repo);
    const again = (isFresh: boolean) => rerun(tatara, first.id, isFresh);
    cases.push({
      example,
      kind: "cold",
      ...(await measure(
        [1],
        () => again(true),
        () => peer.build("--no-cache"),
      )),
    });
    say(cases.at(-1));
    const each = Array.from({ length: rounds }, (_, index) => index + 1);
    cases.push({
      example,
      kind: "warm",
      ...(await measure(
        each,
        () => again(false),
        () => peer.build(),
      )),
    });
    say(cases.at(-1));
    const change = (round: number) => changeLine(tatara, repo, { path, line, round });
    cases.push({ example, kind: "change", ...(await measure(each, change, () => peer.build())) });
    say(cases.at(-1));
  }
  const of = (kind: Kind, name: "ours" | "peer" | "totalMs") =>
    median(cases.filter((each) => each.kind === kind).map((each) => each[name]));
  return {
    ...ratioOf(of("change", "ours"), of("change", "peer")),
    unit: "ms",
    rounds,
    peerIs: "docker build",
    medianTotalMs: Object.fromEntries(KINDS.map((kind) => [kind, of(kind, "totalMs")])),
    cases,
  };
}

interface Case extends Figures {
  readonly example: string;
  readonly kind: Kind;
}

interface Figures extends Times {
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
}

interface Times {
  readonly totalMs: number;
  readonly imageMs: number;
  readonly testMs: number;
  readonly packageMs: number;
  readonly verifyMs: number;
}

async function measure(
  rounds: readonly number[],
  build: (round: number) => Promise<Times>,
  byHand: () => Promise<number>,
): Promise<Figures> {
  const times: Times[] = [];
  const peer: number[] = [];
  for (const round of rounds) {
    times.push(await build(round));
    peer.push(await byHand());
  }
  const of = (name: keyof Times) => Math.round(median(times.map((each) => each[name])));
  return {
    totalMs: of("totalMs"),
    imageMs: of("imageMs"),
    testMs: of("testMs"),
    packageMs: of("packageMs"),
    verifyMs: of("verifyMs"),
    ...ratioOf(of("imageMs"), Math.round(median(peer))),
  };
}

function ratioOf(ours: number, peer: number) {
  return { ours, peer, ratio: Number((ours / peer).toPrecision(3)) };
}

async function rerun(tatara: Tatara, buildId: string, isFresh: boolean): Promise<Times> {
  const startedAt = performance.now();
  const { id } = await tatara.client.rerun(buildId, { isFresh });
  return await timesOf(tatara, id, startedAt);
}

async function changeLine(
  tatara: Tatara,
  repo: TestRepo,
  { path, line, round }: { readonly path: string; readonly line: string; readonly round: number },
): Promise<Times> {
  const text = await readFile(join(repo.dir, path), "utf8");
  await writeFile(join(repo.dir, path), `${text}${line.replace("ROUND", `round ${round}`)}\n`);
  await repo.commit({}, `round ${round}`);
  const startedAt = performance.now();
  await repo.push();
  const { builds } = (await tatara.api(`/api/builds?repo=${repo.name}&limit=1`)) as {
    builds: readonly ApiBuild[];
  };
  return await timesOf(tatara, builds[0]?.id ?? "", startedAt);
}

async function timesOf(tatara: Tatara, id: string, startedAt: number): Promise<Times> {
  const { jobs } = await tatara.until(id, "passed", BUILD_MS);
  const totalMs = performance.now() - startedAt;
  const steps = jobs.flatMap((job) => job.steps);
  const sum = (wanted: string) =>
    steps
      .filter(({ kind }) => kind === wanted)
      .reduce((total, { durationMs }) => total + (durationMs ?? 0), 0);
  return {
    totalMs,
    imageMs: sum("image"),
    testMs: sum("test"),
    packageMs: sum("package"),
    verifyMs: sum("verify"),
  };
}

interface Peer extends AsyncDisposable {
  /** Milliseconds of `docker build` of the newest commit, and of its other Dockerfile. */
  build(...options: readonly string[]): Promise<number>;
}

/** A person's own checkout and image; what they built before is there, as it is for us. */
async function openPeer(repo: TestRepo): Promise<Peer> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  const files = (await repo.git(["ls-files", "*Dockerfile"])).trim().split("\n");
  const images = files.map((_, index) => `${PEER_IMAGE}-${index}`);
  return {
    build: async (...options) => {
      await exec("sh", ["-c", 'git archive HEAD | tar -x -C "$1"', "sh", dir], { cwd: repo.dir });
      const startedAt = performance.now();
      for (const [index, file] of files.entries()) {
        const args = ["--quiet", "--tag", images[index] ?? "", "--file", join(dir, file)];
        await exec("docker", ["build", ...args, ...options, dir]);
      }
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: async () => {
      await exec("docker", ["rmi", "--force", ...images]).catch(() => undefined);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function say(figures: Case | undefined): void {
  if (figures === undefined) return;
  const { example, kind, totalMs, imageMs, testMs, packageMs, verifyMs, peer } = figures;
  process.stdout.write(
    `${example} ${kind}: ${totalMs} ms (image ${imageMs}, docker build ${peer}; tests ${testMs}, package ${packageMs}, verify ${verifyMs})\n`,
  );
}
