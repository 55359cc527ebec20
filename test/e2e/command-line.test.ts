import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { processEnv } from "../../src/shared/config.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara, TestRepo } from "../support/start-tatara.ts";
import { waitForLog } from "../support/wait-for.ts";

const TATARA = join(import.meta.dirname, "../../bin/tatara");

let tatara: Tatara;
let repo: TestRepo;

beforeAll(async () => {
  tatara = await startTatara();
  repo = await tatara.createRepo("acme/words");
  await repo.git(["remote", "add", "tatara", repo.url]);
});
afterAll(async () => tatara[Symbol.asyncDispose]());

describe("in the folder of a repo", () => {
  test("watch follows the build of what was pushed, and passes with it", async () => {
    await push(repo, "echo all is well");

    const { code, stdout } = await run(["watch"]);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^acme\/words #1 {2}main [0-9a-f]{7} {2}a change\n/);
    expect(stdout).toMatch(/\n {2}ok +checkout +\d.*\n {2}ok +image .*\n {2}ok +test /);
    expect(stdout).toMatch(/\npassed in .+\/repos\/acme\/words\/1\n$/);
  });

  test("watch of a broken build shows the card last and fails with it; why says the same", async () => {
    await push(repo, "echo 'not ok 1 - adds'; echo 'sum.txt:3: 1 + 1 is 3'; exit 1");

    const watched = await run(["watch"]);
    const why = await run(["why", "2"]);
    const place = await run(["why", "2", "--json=file,line,code"]);

    expect(watched.code).toBe(1);
    expect(watched.stdout).toMatch(/test > adds {3}STEP_FAILED\n {2}sum\.txt:3\n[^]*\nfailed in /);
    expect(watched.stderr).toContain("next: tatara log acme/words/2 test");
    expect(why.code).toBe(0);
    expect(why.stdout).toContain("sum.txt:3");
    expect(JSON.parse(place.stdout)).toEqual({ file: "sum.txt", line: 3, code: "STEP_FAILED" });
  });

  test("log prints what the commands printed", async () => {
    const { code, stdout } = await run(["log", "1", "test"]);
    const failed = await run(["log", "2", "--failed"]);

    expect(code).toBe(0);
    expect(stdout).toContain("all is well\n");
    expect(failed.stdout).toContain("1 + 1 is 3");
  });

  test("builds lists the newest first, as a table or as the fields that are asked for", async () => {
    const table = await run(["builds"]);
    const picked = await run(["builds", "--json=number,state", "--limit", "2"]);
    const failed = await run(["builds", "--state", "failed", "--json=number"]);

    expect(table.stdout).toMatch(/^ {2}#2 {2}failed +main .*test > adds\n {2}#1 {2}ok +main/);
    expect(linesOf(picked.stdout)).toEqual([
      { number: 2, state: "failed" },
      { number: 1, state: "passed" },
    ]);
    expect(linesOf(failed.stdout)).toEqual([{ number: 2 }]);
  });

  test("rerun makes a new build of the same commit", async () => {
    const again = await run(["rerun", "1", "--json=number"]);
    const watched = await run(["watch", "3", "--json=state"]);

    expect(JSON.parse(again.stdout)).toEqual({ number: 3 });
    expect(watched.code).toBe(0);
    expect(linesOf(watched.stdout).at(-1)).toEqual({ state: "passed" });
  });

  test("a build that runs goes on after Ctrl-C and --timeout, until it is cancelled", async () => {
    await push(repo, "echo begun; sleep 300");
    await waitForLog(tatara, "acme/words#4", "test", "begun");

    const impatient = await run(["watch", "--timeout", "1s"]);
    const interrupted = await run(["watch"], { signalAfter: "ok" });
    const cancelled = await run(["cancel"]);
    const watched = await run(["watch"]);

    expect(impatient.code).toBe(124);
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain("still running: tatara watch acme/words/4");
    expect(cancelled.code).toBe(0);
    expect(watched.code).toBe(6);
  });
});

describe("what is not there", () => {
  test("is status 3 for a build, a repo's builds being an empty list", async () => {
    const build = await run(["why", "4000"]);
    const other = await run(["builds", "--repo", "acme/none"]);

    expect(build).toMatchObject({ code: 3, stdout: "" });
    expect(build.stderr).toContain("There is no such build.");
    expect(other).toMatchObject({ code: 0, stdout: "" });
    expect(other.stderr).toContain("No builds of acme/none yet.");
  });

  test("is status 3 without permission", async () => {
    const { code, stderr } = await run(["builds"], {
      env: { TATARA_TOKEN: "not-the-right-token" },
    });

    expect(code).toBe(3);
    expect(stderr).toContain("does not know this token.\n  export TATARA_TOKEN=");
  });

  test("is status 4 for a server, with what to do", async () => {
    const { code, stderr } = await run(["builds"], { env: { TATARA_URL: "http://127.0.0.1:1" } });

    expect(code).toBe(4);
    expect(stderr).toMatch(/No server answers at http:\/\/127\.0\.0\.1:1 .*\n {2}start one with/);
  });

  test("is status 2 where the folder says nothing about a repo", async () => {
    const { code, stderr } = await run(["watch"], { cwd: tatara.dataDir });

    expect(code).toBe(2);
    expect(stderr).toContain("owner/name/12");
  });
});

test("without TATARA_TOKEN the token of the data folder is used", async () => {
  const env = { TATARA_TOKEN: "", TATARA_DATA_DIR: tatara.dataDir };

  expect((await run(["builds"], { env })).code).toBe(0);
});

test("doctor finds this Tatara well, says that one user runs it all, and tells no secret", async () => {
  const env = { TATARA_DATA_DIR: tatara.dataDir };

  const { code, stdout } = await run(["doctor", "--json"], { env });

  const { healthy, checks } = JSON.parse(stdout) as {
    healthy: boolean;
    checks: { name: string; verdict: string; evidence: string }[];
  };
  expect({ code, healthy }).toEqual({ code: 0, healthy: true });
  const evidenceOf = (name: string) => checks.find((check) => check.name === name)?.evidence;
  expect(evidenceOf("redis")).toContain("noeviction");
  expect(evidenceOf("separation")).toContain("the separation is none");
  expect(evidenceOf("signing key")).toMatch(/^[0-9A-F]{40}, never expires$/);
  expect(stdout).not.toContain(tatara.token);
});

async function push(into: TestRepo, command: string): Promise<void> {
  const pipeline = `test: |\n  ${command}\n`;
  await into.commit({ ".tatara.yml": pipeline, "sum.txt": "1\n1\n3\n" }, "a change");
  await into.push();
}

function linesOf(stdout: string): unknown[] {
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ctrl-C, once, as soon as this was printed: a second one would end the command at once. */
  readonly signalAfter?: string;
}

async function run(args: readonly string[], options: RunOptions = {}) {
  const child = spawn(TATARA, args, {
    cwd: options.cwd ?? repo.dir,
    env: {
      PATH: processEnv()["PATH"],
      LANG: "C.UTF-8",
      TATARA_URL: tatara.url,
      TATARA_TOKEN: tatara.token,
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { signalAfter } = options;
  if (signalAfter !== undefined) {
    let said = "";
    let isSent = false;
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (isSent || !said.includes(signalAfter)) return;
      isSent = child.kill("SIGINT");
    });
  }
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
