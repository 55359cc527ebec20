import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { initGitRepo } from "../git-repo.ts";
import type { GitRepo } from "../git-repo.ts";
import { INSTALL_DIR } from "../processes/process-table.ts";

const SAMPLE_DIR = join(INSTALL_DIR, "examples", "hello-c");
const SOURCE = "src/hello.c";
const TESTS = "tests/check.sh";
/** Without these lines somebody without a name is greeted with nothing. */
const REMOVED = `    if (name[0] == '\\0')\n        name = "stranger";\n`;
const BROKEN_TEST = "greets an empty name";

export interface Sample {
  readonly repo: GitRepo;
  readonly sha: string;
  readonly testCount: number;
  /** What a failure card must name; undefined where nothing is broken. */
  readonly broken:
    | { readonly test: string; readonly file: string; readonly line: number }
    | undefined;
}

/** A git repository with the sample's files, working or with a bug that one of its tests finds. */
export async function makeSample(
  dir: string,
  options: { readonly isBroken: boolean; readonly path: string; readonly signal: AbortSignal },
): Promise<Sample> {
  await mkdir(dir, { recursive: true });
  const repo = await initGitRepo(dir, { ...options, author: "Demo" });
  await repo.copyFrom(SAMPLE_DIR);
  const tests = (await readFile(join(dir, TESTS), "utf8")).split("\n");
  if (options.isBroken) await breakIt(dir);
  const sha = await repo.commit({}, options.isBroken ? "greet whoever comes" : "first commit");

  const line = tests.findIndex((text) => text.includes(`'${BROKEN_TEST}'`)) + 1;
  return {
    repo,
    sha,
    testCount: tests.filter((text) => text.startsWith("is '")).length,
    broken: options.isBroken ? { test: BROKEN_TEST, file: TESTS, line } : undefined,
  };
}

async function breakIt(dir: string): Promise<void> {
  const path = join(dir, SOURCE);
  const text = await readFile(path, "utf8");
  const broken = text.replace(REMOVED, "");
  if (broken === text)
    throw new Error(`${SOURCE} of the sample has no longer what the demo breaks.`);
  await writeFile(path, broken);
}
