import { expect, test } from "vitest";
import { openRemoteShell, untilExit } from "../../src/cli/remote-shell.ts";
import { dataFrames, jsonFrame } from "../../src/shared/shell-frames.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import { leftByRuns, shellEnv } from "../support/local-run.ts";
import { tataraAt } from "../support/run-tatara.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { startTatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";
import type { Tatara } from "../support/start-tatara.ts";

function commandLine(tatara: Tatara, cwd: string) {
  const run = tataraAt({ url: tatara.url, adminToken: tatara.token });
  return (args: readonly string[]) => {
    const signal = AbortSignal.timeout(600_000);
    return run(args, { cwd, signal, env: shellEnv() });
  };
}

test("a try builds the working tree on a worker and publishes nothing, whatever its rules say", async () => {
  await using tatara = await startTatara();
  await using tree = await aGitWorkTree();
  const cli = commandLine(tatara, tree.dir);
  const sha = await tree.commit(tinyRepo({ test: "cat new.txt", verify: true }), "first [skip ci]");
  await tree.write({ "new.txt": "fresh\n" });
  const before = [await tree.git("status", "--porcelain"), await tree.git("for-each-ref")];

  const tried = await cli(["try", "--repo", "acme/tiny"]);

  expect(tried).toMatchObject({ code: 0 });
  const build = await tatara.until("acme/tiny#1", "passed");
  expect(await tatara.log("acme/tiny#1", "test")).toContain("fresh");
  expect(build.artifacts.length).toBeGreaterThan(0);
  expect(build.publish).toBeNull();
  expect(build.sha).not.toBe(sha);
  expect((await tatara.fetch("/yum/dev/debian12.x86_64/mirrorlist")).status).toBe(404);
  const page = await (await tatara.fetch("/repos/acme/tiny/1")).text();
  expect(page).toContain("tried from a working tree");
  expect(await tatara.api(`/api/repos/acme/tiny/statuses/${String(build.sha)}`)).toEqual([]);
  expect([await tree.git("status", "--porcelain"), await tree.git("for-each-ref")]).toEqual(before);
});

test("a try of named steps runs only those; a name that no step has fails it", async () => {
  await using tatara = await startTatara();
  await using tree = await aGitWorkTree();
  const cli = commandLine(tatara, tree.dir);
  const pipeline = "test:\n  unit: echo unit\n  lint: exit 1\n";
  await tree.commit({ ".tatara.yml": pipeline }, "first");

  const unit = await cli(["try", "unit", "--repo", "acme/tiny"]);
  const none = await cli(["try", "units", "--repo", "acme/tiny"]);

  expect(unit).toMatchObject({ code: 0 });
  expect(unit.stdout).not.toContain("lint");
  expect(none.code).toBe(1);
  expect(none.stdout).toContain("STEP_UNKNOWN");
  expect(none.stdout).toContain("unit, lint");
});

test("who may not push may not try", async () => {
  await using tatara = await startTatara();
  await using tree = await aGitWorkTree();
  await tree.commit({ ".tatara.yml": "test: 'true'\n" }, "first");

  const run = tataraAt({ url: tatara.url, adminToken: "wrong" });
  const refused = await run(["try", "--repo", "acme/tiny"], { cwd: tree.dir, env: shellEnv() });

  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain("does not let you push");
});

test("a shell in a failed step's container sees what the step left, and its status is passed on", async () => {
  await using tatara = await startTatara();
  await using tree = await aGitWorkTree();
  const cli = commandLine(tatara, tree.dir);
  const unit = "echo left behind > result.txt; exit 3";
  const pipeline = `test:\n  unit: ${unit}\n  fine: "true"\n`;
  await tree.commit({ ".tatara.yml": pipeline }, "first");
  expect(await cli(["try", "--repo", "acme/tiny"])).toMatchObject({ code: 1 });

  const read = await cli(["shell", "acme/tiny/1", "unit", "--", "cat result.txt; exit 7"]);
  const listed = await cli(["shell", "acme/tiny/1", "unit", "--", "ls", "-1", "result.txt"]);
  const passed = await cli(["shell", "acme/tiny/1", "fine", "--", "true"]);
  const unknown = await cli(["shell", "acme/tiny/1", "nope", "--", "true"]);
  const bare = await cli(["shell", "acme/tiny/1", "unit"]);

  expect(read).toEqual({ code: 7, stdout: "left behind\n", stderr: "" });
  expect(listed).toMatchObject({ code: 0, stdout: "result.txt\n" });
  expect(passed.code).toBe(1);
  expect(passed.stderr).toContain("fine is passed: only the container of a failed step is kept");
  expect(unknown.code).toBe(3);
  expect(unknown.stderr).toContain("steps: checkout, image, unit, fine");
  expect(bare).toMatchObject({ code: 2 });
  const page = await (await tatara.fetch("/repos/acme/tiny/1")).text();
  expect(page).toContain("2 shells");
});

test("an interactive shell has the person's size, hears of changes, and a worker has two at most", async () => {
  await using tatara = await startTatara();
  await using tree = await aGitWorkTree();
  const cli = commandLine(tatara, tree.dir);
  await tree.commit({ ".tatara.yml": "test: 'false'\n" }, "first");
  expect(await cli(["try", "--repo", "acme/tiny"])).toMatchObject({ code: 1 });
  const { id: buildId } = await tatara.build("acme/tiny#1");
  const { url, token } = tatara;
  const signal = AbortSignal.timeout(600_000);
  const wish = { url, token, buildId, step: "test", job: undefined, command: undefined };
  const open = () => openRemoteShell(wish, { columns: 101, rows: 33 }, signal);
  const shell = await open();
  const other = await open();

  const third = await open().catch((err: unknown) => String(err));
  shell.write(jsonFrame("resize", { columns: 120, rows: 40 }));
  const waits = "until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done";
  shell.write(dataFrames(Buffer.from(`${waits}; echo $((40 + 2)); exit 4\n`)));
  let shown = "";
  const code = await untilExit(shell, (bytes) => (shown += bytes.toString()), signal);
  other.destroy();

  expect(third).toContain("has 2 shells open already");
  expect(code).toBe(4);
  expect(shown).toMatch(/42\r\n/);
  const ends = async () => {
    const { shells } = (await tatara.api(`/api/builds/${buildId}`)) as { shells: Shell[] };
    return shells.map(({ exitCode, endReason }) => `${exitCode} ${endReason}`);
  };
  await until(ends, ["4 null", "null left"], { deadlineMs: 300_000, everyMs: 100 });
});

interface Shell {
  readonly exitCode: number | null;
  readonly endReason: string | null;
}

test("a replay fails in the same test, in the very image, from a clone and without one", async () => {
  await using tatara = await startTatara();
  await using tree = await aGitWorkTree();
  await using elsewhere = await aGitWorkTree();
  const unit = 'test "$PLACE" = there || { echo only there; exit 9; }';
  const pipeline = `image: ./Dockerfile\ntest:\n  unit: { run: '${unit}', matrix: { place: [there, here] } }\n  fine: "true"\n`;
  const files = { ".tatara.yml": pipeline, Dockerfile: "FROM tatara/base\nRUN date +%N > /made\n" };
  await tree.commit(files, "first");
  const remote = `${tatara.url.replace("http://", `http://x:${tatara.token}@`)}/git/acme/tiny.git`;
  expect(await tree.git("push", remote, "HEAD:refs/heads/main")).toMatchObject({ code: 0 });
  await tatara.until("acme/tiny#1", "failed");

  const inClone = await commandLine(tatara, tree.dir)(["replay", "acme/tiny/1"]);
  const outside = await commandLine(tatara, elsewhere.dir)(["replay", "acme/tiny/1", "fine"]);

  expect(inClone.code).toBe(1);
  expect(inClone.stdout).toContain("unit (place here) exited 9");
  expect(inClone.stdout).toContain("only there");
  expect(inClone.stdout).not.toMatch(/fine|place there|not the build's own/);
  expect(inClone.stdout).toMatch(/ok +image .*sha256:/);
  expect(outside).toMatchObject({ code: 0 });
  expect(outside.stdout).toMatch(/ok +fine/);
  expect(await leftByRuns()).toEqual([]);
});
