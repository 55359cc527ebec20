import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CommitTree } from "../src/domain/pipeline.ts";
import { readPipeline } from "../src/shared/pipeline-file.ts";
import type { BenchOptions } from "./main.ts";
import { median } from "./support/numbers.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLE = join(ROOT, "examples/several-projects");
const exec = promisify(execFile);

/**
 * `tatara check` as a person types it: the whole process in a git repository, without a server. Beside
 * it the reading alone, and a node that does nothing.
 */
export async function run({ rounds }: BenchOptions): Promise<object> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-bench-"));
  try {
    const repo = join(folder, "repo");
    await cp(EXAMPLE, repo, { recursive: true });
    await exec("git", ["init", "--quiet", repo]);
    const env = {
      PATH: process.env["PATH"],
      XDG_CACHE_HOME: join(folder, "cache"),
      LANG: "C.UTF-8",
    };
    const check = () => timed(() => exec(join(ROOT, "bin/tatara"), ["check"], { cwd: repo, env }));
    const first = await check();
    const times = await repeated(rounds, check);
    const bare = await repeated(rounds, () => timed(() => exec(process.execPath, ["-e", "0"])));
    const reading = await readingMs(rounds);
    const figures = {
      ours: Math.round(median(times)),
      first: Math.round(first),
      peer: Math.round(median(bare)),
    };
    process.stdout.write(
      `check ${figures.ours} ms (first ever ${figures.first} ms), of it node ${figures.peer} ms; reading alone ${reading.toFixed(1)} ms\n`,
    );
    const ratio = Number((median(times) / median(bare)).toFixed(3));
    return { ...figures, unit: "ms", ratio, readingMs: reading, rounds };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** In a process that is warm, as on a worker. */
async function readingMs(rounds: number): Promise<number> {
  const bytes = await readFile(join(EXAMPLE, ".tatara.yml"));
  const tree: CommitTree = { has: () => true, files: () => [], shortSha: "3f2a9c1" };
  const times = await repeated(Math.max(rounds, 30), () => {
    return timed(() => Promise.resolve(readPipeline(bytes, tree)));
  });
  return median(times);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function repeated(count: number, work: () => Promise<number>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let round = 0; round < count; round += 1) times.push(await work());
  return times;
}
