import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import { isFinal } from "../../src/domain/states.ts";
import { letOn, waitsFor } from "../support/let-on.ts";
import type { SampleFiles } from "../support/sample-files.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

const SECRET = "s3cr3t-and-long-enough-to-straddle";
const LINES = 200;

let tatara: Tatara;
beforeAll(async () => {
  tatara = await startTatara({ keep: process.env["KEEP"] === "1" });
});
afterAll(async () => {
  await tatara[Symbol.asyncDispose]();
});

/** At these lines the writer waits to be let on, so that it outlasts its worker's lives. */
const WAITS = [60, 120, 180] as const;

/** Numbered lines on both streams; secrets in one piece, and in two with a pause between. */
const WRITER = `i=0
while [ $i -lt ${LINES} ]; do
  i=$((i+1)); echo "out $i"; echo "err $i" >&2
  [ $((i % 10)) -ne 0 ] || echo "key=$KEY."
  [ $((i % 7)) -ne 0 ] || { printf %s "half: $(printf %s "$KEY" | cut -c1-12)"; sleep 0.12; printf '%s\\n' "$(printf %s "$KEY" | cut -c13-)"; }
  case $i in ${WAITS.join("|")}) ${waitsFor("$i")} ;; esac
  sleep 0.01
done
echo made > made.txt`;

interface Life {
  readonly build: ApiBuild;
  readonly logs: Readonly<Record<string, string>>;
}

/** Pushes the first commit of a repo of its own. */
async function push(name: string, files: SampleFiles): Promise<void> {
  const repo = await tatara.createRepo(`adopt/${name}`, files);
  await repo.push();
}

async function seen(build: string): Promise<ApiBuild | undefined> {
  return await tatara.build(`adopt/${build}`).catch(() => undefined);
}

async function untilLog(build: string, text: string): Promise<void> {
  const has = async () => {
    const id = (await seen(build))?.id ?? "";
    return (await tatara.log(id, "unit").catch(() => "")).includes(text);
  };
  await until(has, true, { deadlineMs: 300_000, everyMs: 20 });
}

/** How often a worker has found a test of an earlier life of its own again. */
async function adoptions(): Promise<number> {
  const log = await tatara.operatorLog("build");
  return log.split("\n").filter((line) => line.includes('"adopted":["unit"]')).length;
}

async function hasSaid(process: "build" | "server", words: string): Promise<boolean> {
  return (await tatara.operatorLog(process)).includes(words);
}

/** What the worker has written down of a job's first attempt. */
async function journalOf(jobId: string): Promise<string> {
  const dir = join(tatara.dataDir, "worker", "test", "jobs", `${jobId}-1`);
  return await readFile(join(dir, "journal"), "utf8").catch(() => "");
}

/** As soon as its build is known. */
async function firstJobOf(build: string): Promise<string> {
  const job = async () => (await seen(build))?.jobs[0]?.id;
  await until(async () => (await job()) !== undefined, true, { deadlineMs: 300_000, everyMs: 2 });
  return (await job()) ?? "";
}

/** The test of a build's first job goes on beyond that line. */
async function go(build: string, line: number, attempt = 1): Promise<void> {
  await letOn({ job: await firstJobOf(build), step: "unit", attempt }, line);
}

async function ended(name: string, steps: readonly string[]): Promise<Life> {
  const build = await tatara.until(`adopt/${name}`, "passed");
  const logs = steps.map(async (step) => [step, await tatara.log(build.id, step)] as const);
  return { build, logs: Object.fromEntries(await Promise.all(logs)) };
}

/** Path and digest of each file that a build kept. */
async function keptBy({ build }: Life): Promise<readonly string[]> {
  const { files } = (await tatara.api(`/api/builds/${build.id}/kept`)) as {
    readonly files: readonly { readonly path: string; readonly sha256: string }[];
  };
  expect(files).not.toEqual([]);
  return files.map(({ path, sha256 }) => `${path} ${sha256}`);
}

/** What two builds of the same files may differ in. */
function plain(log: string | undefined): string {
  return (log ?? "").replace(/[0-9a-f]{40}/g, "SHA");
}

function numbersIn(log: string | undefined, stream: string): readonly number[] {
  const lines = (log ?? "").matchAll(new RegExp(`^${stream} (\\d+)$`, "gm"));
  return [...lines].map(([, number]) => Number(number));
}

const TEST_FILES: SampleFiles = {
  ".tatara.yml": `image: tatara/base
test:
  unit:
    run: sh writer.sh
    secrets: { KEY: env }
    keep: made.txt
`,
  "writer.sh": `${WRITER}\n`,
  "other.txt": "one",
};

test("a build worker that is killed in the middle of a test carries on with it: same attempt, a log as if nothing had been, the kept file", async () => {
  const repo = await tatara.createRepo("adopt/writer", { ".tatara.yml": "test: exit 0\n" });
  // A repo is known from its first push on.
  await repo.push();
  await tatara.api("/api/repos/adopt/writer/secrets/KEY", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ value: SECRET }),
  });
  await repo.commit(TEST_FILES);
  await repo.push();
  for (const line of WAITS) await go("writer#2", line);
  const calm = await ended("writer#2", ["checkout", "unit"]);
  await repo.commit({ "other.txt": "two" });
  await repo.push();
  const before = await adoptions();

  for (const [index, line] of [20, 70, 130].entries()) {
    await untilLog("writer#3", `err ${line}\n`);
    await delay(line % 50);
    tatara.kill("build");
    await until(adoptions, before + index + 1);
    await go("writer#3", WAITS[index] ?? 0);
  }

  const life = await ended("writer#3", ["checkout", "unit"]);
  expect(life.build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
  expect(numbersIn(life.logs["unit"], "out")).toEqual(numbersIn(calm.logs["unit"], "out"));
  expect(life.logs["unit"]).toBe(calm.logs["unit"]);
  expect(plain(life.logs["checkout"])).toBe(plain(calm.logs["checkout"]));
  expect(life.logs["unit"]).not.toContain(SECRET.slice(0, 12));
  expect(await keptBy(life)).toEqual(await keptBy(calm));
  await tatara.untilNothingIsLeft();
});

const STEPS: SampleFiles = {
  ".tatara.yml": `image: tatara/base
test:
  first: echo first
  second: { run: "sleep 1; echo second", needs: [first] }
`,
  // So that its checkout lasts a little.
  "large.txt": randomBytes(12_000_000).toString("base64"),
};

const TRIES_MAX = 5;

/**
 * Kills the worker between two lines of a job's journal. A look that comes too late is taken again at
 * another build: nothing holds these moments. Returns the build.
 */
async function killBetween(name: string, begun: RegExp, over: RegExp): Promise<string> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const build = `${name}-${tries}#1`;
    await push(`${name}-${tries}`, STEPS);
    const job = await firstJobOf(build);
    const hasBegun = async (): Promise<boolean> => {
      const journal = await journalOf(job);
      if (journal !== "") return begun.test(journal);
      return isFinal((await seen(build))?.state ?? "queued");
    };
    await until(hasBegun, true, { deadlineMs: 300_000, everyMs: 1 });
    tatara.kill("build", "SIGSTOP");
    const journal = await journalOf(job);
    const isNow = begun.test(journal) && !over.test(journal);
    tatara.kill("build", isNow ? "SIGKILL" : "SIGCONT");
    if (isNow) return build;
    await ended(build, []);
  }
  throw new Error(`${TRIES_MAX} builds were beyond ${over} at the first look.`);
}

describe("a build worker that is killed", () => {
  test.each([
    ["in a checkout", /"worked"/, /"ended":\{"step":"checkout"/],
    ["between checkout and plan", /"ended":\{"step":"checkout"/, /"ended":\{"step":"first"/],
    [
      "when one test has ended and the next begins",
      /"ended":\{"step":"first"/,
      /"ended":\{"step":"second"/,
    ],
  ])("%s goes on in the same attempt, with one plan", async (phase, begun, over) => {
    const killed = await killBetween(phase.replaceAll(" ", "-"), begun, over);

    const { build, logs } = await ended(killed, ["checkout", "first", "second"]);
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
    const states = build.jobs[0]?.steps.map((step) => `${step.name} ${step.state}`);
    const steps = ["checkout", "image", "first", "second"];
    expect(states).toEqual(steps.map((step) => `${step} passed`));
    expect([logs["first"], logs["second"]]).toEqual(["first\n", "second\n"]);
    expect(logs["checkout"]?.match(/[0-9a-f]{40}/g)?.length).toBeLessThan(2);
    await tatara.untilNothingIsLeft();
  });

  test("while it makes an image makes it again in the same attempt", async () => {
    await push("imaged", {
      ".tatara.yml": "test:\n  unit: cat /made\n",
      Dockerfile: "FROM tatara/base\nRUN echo made > /made\nRUN sleep 2; echo slept\n",
    });
    const image = async () =>
      (await seen("imaged#1"))?.jobs[0]?.steps.find((step) => step.name === "image")?.state;
    const hasBegun = async () => !["queued", undefined].includes(await image());
    await until(hasBegun, true, { deadlineMs: 300_000, everyMs: 20 });
    await delay(700);

    tatara.kill("build");

    const { build, logs } = await ended("imaged#1", ["image", "unit"]);
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
    expect(logs["unit"]).toBe("made\n");
    expect(logs["image"]).toContain("slept");
    await tatara.untilNothingIsLeft();
  });
});

/** One that lasts until its worker has been killed, and is over before that is back. */
const SHORT: SampleFiles = {
  ".tatara.yml": `image: tatara/base
test:
  unit:
    run: |
      i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo "out $i"; done
      sleep 0.6
      i=20; while [ $i -lt 40 ]; do i=$((i+1)); echo "out $i"; done; exit CODE
    reports: "*.xml"
  after: { run: "cat made || echo ran after", needs: [unit] }
`,
};

describe("a test that ends while its worker is away", () => {
  test.each([
    ["passes", 0, "passed"],
    ["fails", 3, "failed"],
  ] as const)("and %s has its own end, once", async (name, code, state) => {
    const text = (SHORT[".tatara.yml"] ?? "").replace("CODE", String(code));
    await push(name, { ".tatara.yml": text });
    await untilLog(`${name}#1`, "out 20\n");

    tatara.kill("build");

    const build = await tatara.until(`adopt/${name}#1`, state);
    const log = await tatara.log(build.id, "unit");
    expect(numbersIn(log, "out")).toEqual(Array.from({ length: 40 }, (_none, index) => index + 1));
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
    const after = build.jobs[0]?.steps.find((step) => step.name === "after");
    expect(after?.state).toBe(code === 0 ? "passed" : "skipped");
    await tatara.untilNothingIsLeft();
  });
});

const LONG: SampleFiles = {
  ".tatara.yml": `image: tatara/base
test:
  unit: |
    i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo "out $i"; sleep 0.02; done
    ${waitsFor(100)}
    while [ $i -lt 150 ]; do i=$((i+1)); echo "out $i"; sleep 0.02; done
`,
};

describe("a build worker that is told to stop", () => {
  test("by SIGTERM says goodbye, and its next life carries on with a whole log", async () => {
    await push("upgraded", LONG);
    await untilLog("upgraded#1", "out 20\n");

    tatara.kill("build", "SIGTERM");
    await until(() => hasSaid("build", "Stopped for a restart: containers run on"), true);
    await go("upgraded#1", 100);

    const { build, logs } = await ended("upgraded#1", ["unit"]);
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
    expect(numbersIn(logs["unit"], "out")).toHaveLength(150);
    expect(logs["unit"]?.split("\n")).toHaveLength(151);
    await until(() => hasSaid("server", "A worker says that it will be back"), true);
    await tatara.untilNothingIsLeft();
  });

  test("by SIGINT hands its job back: another attempt, which the first one costs nothing", async () => {
    await push("handed", LONG);
    await untilLog("handed#1", "out 20\n");

    tatara.kill("build", "SIGINT");
    await go("handed#1", 100, 2);

    const { build, logs } = await ended("handed#1", ["unit"]);
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([2]);
    expect(numbersIn(logs["unit"], "out")).toHaveLength(150);
    await tatara.untilNothingIsLeft();
  });
});
