import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import type { SampleFiles } from "../support/sample-files.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

const SECRET = "s3cr3t-and-long-enough-to-straddle";
const LINES = 300;

let tatara: Tatara;
beforeAll(async () => {
  tatara = await startTatara({ keep: process.env["KEEP"] === "1" });
}, 120_000);
afterAll(async () => {
  await tatara[Symbol.asyncDispose]();
});

/** Numbered lines on both streams; secrets in one piece, and in two with a pause between. */
const WRITER = `i=0
while [ $i -lt ${LINES} ]; do
  i=$((i+1)); echo "out $i"; echo "err $i" >&2
  [ $((i % 10)) -ne 0 ] || echo "key=$KEY."
  [ $((i % 7)) -ne 0 ] || { printf %s "half: $(printf %s "$KEY" | cut -c1-12)"; sleep 0.12; printf '%s\\n' "$(printf %s "$KEY" | cut -c13-)"; }
  sleep 0.01
done
echo made > made.txt`;

interface Life {
  readonly build: ApiBuild;
  readonly logs: Readonly<Record<string, string>>;
}

async function pushRepo(name: string, files: SampleFiles): Promise<void> {
  const repo = await tatara.createRepo(`adopt/${name}`, { ".tatara.yml": "test: exit 0\n" });
  // A repo is known from its first push on.
  await repo.push();
  await tatara.api(`/api/repos/adopt/${name}/secrets/KEY`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ value: SECRET }),
  });
  await tatara.until(`adopt/${name}#1`, "passed");
  await repo.commit(files);
  await repo.push();
}

async function seen(name: string): Promise<ApiBuild | undefined> {
  return await tatara.build(`adopt/${name}#2`).catch(() => undefined);
}

async function untilLog(name: string, text: string): Promise<void> {
  const has = async () => {
    const id = (await seen(name))?.id ?? "";
    return (await tatara.log(id, "unit").catch(() => "")).includes(text);
  };
  await until(has, true, { deadlineMs: 60_000, everyMs: 20 });
}

/** How often a worker has found a test of an earlier life of its own again. */
async function adoptions(): Promise<number> {
  const log = await tatara.operatorLog("build");
  return log.split("\n").filter((line) => line.includes('"adopted":["unit"]')).length;
}

async function ended(name: string, steps: readonly string[]): Promise<Life> {
  const build = await tatara.until(`adopt/${name}#2`, "passed", 120_000);
  const logs = steps.map(async (step) => [step, await tatara.log(build.id, step)] as const);
  return { build, logs: Object.fromEntries(await Promise.all(logs)) };
}

/** What two builds of the same files may differ in. */
function plain(log: string | undefined, name: string): string {
  return (log ?? "").replaceAll(`adopt/${name}`, "REPO").replace(/[0-9a-f]{40}/g, "SHA");
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
};

describe("a build worker that is killed in the middle of a test", () => {
  test("carries on with it: same attempt, a log as if nothing had been, the kept file", async () => {
    await pushRepo("undisturbed", TEST_FILES);
    const calm = await ended("undisturbed", ["checkout", "unit"]);
    await pushRepo("killed", TEST_FILES);
    const before = await adoptions();

    for (const line of [20, 90, 170]) {
      await untilLog("killed", `err ${line}\n`);
      await delay(line % 50);
      tatara.kill("build");
      await until(adoptions, before + [20, 90, 170].indexOf(line) + 1, { deadlineMs: 30_000 });
    }

    const life = await ended("killed", ["checkout", "unit"]);
    expect(life.build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
    expect(numbersIn(life.logs["unit"], "out")).toEqual(numbersIn(calm.logs["unit"], "out"));
    expect(life.logs["unit"]).toBe(calm.logs["unit"]);
    expect(plain(life.logs["checkout"], "killed")).toBe(
      plain(calm.logs["checkout"], "undisturbed"),
    );
    expect(life.logs["unit"]).not.toContain(SECRET.slice(0, 12));
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
    await pushRepo(name, { ".tatara.yml": text });
    await untilLog(name, "out 20\n");

    tatara.kill("build");

    const build = await tatara.until(`adopt/${name}#2`, state, 120_000);
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
    i=0; while [ $i -lt 150 ]; do i=$((i+1)); echo "out $i"; sleep 0.02; done
`,
};

describe("a build worker that is told to stop", () => {
  test("by SIGTERM says goodbye, and its next life carries on with a whole log", async () => {
    await pushRepo("upgraded", LONG);
    await untilLog("upgraded", "out 20\n");

    tatara.kill("build", "SIGTERM");

    const { build, logs } = await ended("upgraded", ["unit"]);
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([1]);
    expect(numbersIn(logs["unit"], "out")).toHaveLength(150);
    expect(logs["unit"]?.split("\n")).toHaveLength(151);
    expect(await tatara.operatorLog("build")).toContain("Stopped for a restart: containers run on");
    expect(await tatara.operatorLog("server")).toContain("A worker says that it will be back");
    await tatara.untilNothingIsLeft();
  });

  test("by SIGINT hands its job back: another attempt, which the first one costs nothing", async () => {
    await pushRepo("handed", LONG);
    await untilLog("handed", "out 20\n");

    tatara.kill("build", "SIGINT");

    const { build, logs } = await ended("handed", ["unit"]);
    expect(build.jobs.map(({ attempt }) => attempt)).toEqual([2]);
    expect(numbersIn(logs["unit"], "out")).toHaveLength(150);
    await tatara.untilNothingIsLeft();
  });
});

test("a build worker that was frozen past its lease wakes, ends what it had begun, and writes nothing", async () => {
  const text = (LONG[".tatara.yml"] ?? "").replace("sleep 0.02", "sleep 0.1");
  await pushRepo("frozen", { ".tatara.yml": text });
  await untilLog("frozen", "out 5\n");
  const attempts = async () => (await seen("frozen"))?.jobs.map(({ state }) => state);

  tatara.kill("build", "SIGSTOP");
  await until(attempts, ["queued"], { deadlineMs: 60_000, everyMs: 100 });
  tatara.kill("build", "SIGCONT");

  const { build, logs } = await ended("frozen", ["unit"]);
  expect(build.jobs.map(({ attempt }) => attempt)).toEqual([2]);
  expect(numbersIn(logs["unit"], "out")).toEqual(
    Array.from({ length: 150 }, (_none, index) => index + 1),
  );
  await tatara.untilNothingIsLeft();
});
