import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Interrupted } from "../../src/cli/command.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import type { GitWorkTree } from "../support/git-work-tree.ts";
import { containersOfOwnRun, leftByRuns, shellEnv, tataraAlone } from "../support/local-run.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { until } from "../support/until.ts";

let folder = "";
let tree: GitWorkTree;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-local-run-test-"));
  tree = await aGitWorkTree();
});

afterEach(async () => {
  await tree[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function run(args: readonly string[], signal?: AbortSignal) {
  const env = shellEnv({ XDG_CACHE_HOME: join(folder, "cache") });
  return tataraAlone(["run", ...args], { cwd: tree.dir, env, ...(signal ? { signal } : {}) });
}

test("the files as they are now are tested, new ones included and ignored ones left out", async () => {
  await tree.commit(
    {
      ...tinyRepo({ test: "cat new.txt; ls ignored.txt || echo left out" }),
      ".gitignore": "ignored.txt\n",
    },
    "first",
  );
  await tree.write({
    "new.txt": "fresh\n",
    "ignored.txt": "no\n",
    tiny: "#!/bin/sh\necho changed\n",
  });
  await tree.git("add", "tiny");
  await tree.write({ tiny: "#!/bin/sh\necho changed again\n" });
  const index = await readFile(join(tree.dir, ".git", "index"));
  const before = await state();

  const ended = await run(["--log"]);

  expect(ended).toMatchObject({ code: 0 });
  expect(ended.stdout).toContain("test | fresh");
  expect(ended.stdout).toContain("test | left out");
  expect(ended.stdout).toMatch(/ok +test /);
  expect(ended.stdout).not.toContain("package");
  expect(ended.stderr).toContain("no secrets");
  expect(await state()).toEqual(before);
  expect(await readFile(join(tree.dir, ".git", "index"))).toEqual(index);
  expect(await leftByRuns()).toEqual([]);
});

test("a failing test ends with its card and status 1, and what depends on it is skipped", async () => {
  const pipeline = [
    "test:",
    "  unit: echo 'wrong greeting' >&2; exit 7",
    "  after: { run: 'true', needs: unit }",
    "",
  ].join("\n");
  await tree.commit({ ".tatara.yml": pipeline }, "first");

  const ended = await run([]);
  const json = await run(["--json"]);

  expect(ended.code).toBe(1);
  expect(ended.stdout).toMatch(/failed +unit/);
  expect(ended.stdout).toMatch(/skipped +after/);
  expect(ended.stdout).toContain("unit exited 7   STEP_FAILED");
  expect(ended.stdout).toContain("wrong greeting");
  const skipped = { name: "after", state: "skipped" };
  expect(JSON.parse(json.stdout)).toMatchObject({
    state: "failed",
    failure: { code: "STEP_FAILED", step: "unit" },
    jobs: [{ steps: expect.arrayContaining([expect.objectContaining(skipped)]) as unknown }],
  });
  expect(await leftByRuns()).toEqual([]);
});

test("only the steps that are named run, and what they need; one that does not exist is said", async () => {
  const pipeline = [
    "test:",
    "  make: { run: 'echo made > out.txt', keep: out.txt }",
    '  unit: { run: "cat out.txt; echo of $N", needs: make, matrix: { n: ["1", "2"] } }',
    "  lint: exit 1",
    "",
  ].join("\n");
  await tree.commit({ ".tatara.yml": pipeline }, "first");

  const ended = await run(["unit-2", "--log", "--out", join(folder, "out")]);
  const unknown = await run(["units"]);

  expect(ended.code).toBe(0);
  expect(ended.stdout).toContain("| made");
  expect(ended.stdout).toMatch(/ok +make/);
  expect(ended.stdout).toMatch(/ok +unit \(n 2\)/);
  expect(ended.stdout).not.toMatch(/lint|\(n 1\)/);
  expect(await readFile(join(folder, "out", "out.txt"), "utf8")).toBe("made\n");
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain("There is no step units.");
  expect(unknown.stderr).toContain("unit-1, unit-2");
});

test("packages are made when they are named, and left in the folder that is named", async () => {
  await tree.commit(tinyRepo(), "first");

  const ended = await run(["package", "--out", join(folder, "rpms")]);

  expect(ended).toMatchObject({ code: 0 });
  expect(ended.stdout).not.toMatch(/ok +test /);
  const rpms = await readdir(join(folder, "rpms"));
  expect(rpms.some((name) => /^tiny-1\.0-.*\.noarch\.rpm$/.test(name))).toBe(true);
  expect(await leftByRuns()).toEqual([]);
});

test("a file with a mistake is told as on a server, and nothing is started", async () => {
  await tree.commit({ ".tatara.yml": "tset: make\n" }, "first");

  const ended = await run([]);

  expect(ended.code).toBe(1);
  expect(ended.stdout).toContain(".tatara.yml:1:1");
  expect(ended.stdout).toContain("PIPELINE_FILE_INVALID");
});

test("Ctrl-C removes everything that it had started", async () => {
  await tree.commit({ ".tatara.yml": "test: echo begun; sleep 300\n" }, "first");
  const interrupt = new AbortController();

  const running = run(["--log"], interrupt.signal);
  const hasContainer = async () => (await containersOfOwnRun()) > 0;
  await until(hasContainer, true, { deadlineMs: 120_000, everyMs: 200 });
  interrupt.abort(new Interrupted("SIGINT"));
  const ended = await running;

  expect(ended.code).toBe(130);
  expect(ended.stderr).toContain("stopped; everything that it had started is removed");
  expect(await leftByRuns()).toEqual([]);
});

test("without a repository, without a commit and without Docker it says what is missing", async () => {
  const env = shellEnv({ DOCKER_HOST: `unix://${folder}/none.sock` });
  const outside = await tataraAlone(["run"], { cwd: folder, env });
  await tree.write({ ".tatara.yml": "test: 'true'\n" });
  const noDocker = await tataraAlone(["run"], { cwd: tree.dir, env });

  expect(outside).toMatchObject({ code: 2 });
  expect(outside.stderr).toContain("belongs to no git repository");
  expect(noDocker.code).toBe(2);
  expect(noDocker.stderr).toContain(`Docker does not answer at unix://${folder}/none.sock`);
});

async function state(): Promise<readonly string[]> {
  const status = await tree.git("status", "--porcelain=v2", "--branch");
  const refs = await tree.git("for-each-ref");
  const objects = await tree.git("count-objects", "-v");
  return [status.output, refs.output, objects.output];
}
