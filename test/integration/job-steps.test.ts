import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Pipeline, TestStep } from "../../src/domain/pipeline.ts";
import { planJobs } from "../../src/domain/plan-jobs.ts";
import type { PlanFacts } from "../../src/domain/plan-facts.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import { jobSpecMessage } from "../../src/shared/job-spec-message.ts";
import { aPipeline, aService, aTest, named, planFacts } from "../support/a-pipeline.ts";
import { startBuildRig } from "../support/build-rig.ts";
import type { BuildRig } from "../support/build-rig.ts";
import { BASE_IMAGE, realEngine } from "../support/engine-rig.ts";
import type { PushToTell } from "../support/github-deliveries.ts";

const engine = realEngine();
let rig: BuildRig;
let push: PushToTell;

beforeAll(async () => {
  rig = await startBuildRig(engine);
  const repo = await rig.repo({
    "package-lock.json": "{}\n",
    "sub/there.txt": "there\n",
    "run.sh": "#!/bin/sh\necho ran\n",
  });
  push = await repo.commit({ "more.txt": "more\n" });
});
afterAll(async () => {
  // To this engine the time of kept containers is over.
  const later = realEngine({ now: () => Date.now() + 3_600_000 });
  for (const jobId of jobs)
    await later.removeAllOf({ jobId, attempt: 1 }, AbortSignal.timeout(60_000));
  await rig[Symbol.asyncDispose]();
});

const jobs: string[] = [];
let number = 0;
beforeEach(() => {
  number += 1;
});

/** Runs one job on the real engine: the tests of a pipeline, in the base image. */
async function run(
  tests: readonly Partial<TestStep>[],
  {
    pipeline = {},
    facts = {},
    grant = {},
    build = {},
  }: {
    readonly pipeline?: Parameters<typeof aPipeline>[0];
    readonly facts?: Partial<PlanFacts>;
    readonly grant?: Partial<BuildGrant>;
    readonly build?: Partial<BuildGrant["build"]>;
  } = {},
) {
  const whole: Pipeline = aPipeline({
    image: named(BASE_IMAGE),
    tests: tests.map((some) => aTest({ network: "none", ...some })),
    ...pipeline,
  });
  const [job] = planJobs(whole, planFacts(facts)).jobs;
  const granted = rig.grantFor(push, { job: jobSpecMessage.parse(job?.spec), ...grant });
  jobs.push(granted.jobId);
  const told = await rig.run({ ...granted, build: { ...granted.build, number, ...build } });
  const log = (step: string): string => told.logs.get(step)?.toString() ?? "";
  const states = Object.fromEntries([...told.ended].map(([step, { state }]) => [step, state]));
  const left = (await engine.listLeftovers(AbortSignal.timeout(60_000))).filter(
    ({ jobId }) => jobId === granted.jobId,
  );
  return { told, log, states, left, jobId: granted.jobId, end: told.end };
}

function details(told: Awaited<ReturnType<typeof run>>["told"], step: string) {
  const message = told.ended.get(step);
  return message !== undefined && "details" in message ? message.details : null;
}

test("a step has its environment, its secrets and its folder", async () => {
  const secrets = [
    { name: "TOKEN", value: "s3cret-of-the-step" },
    { name: "PLAIN", value: "s3cret-in-the-environment" },
  ];
  const { end, log } = await run(
    [
      {
        name: "unit",
        env: { COLOUR: "blue" },
        matrix: { variables: [{ name: "node", values: ["22"] }], except: [] },
        secrets: [
          { name: "TOKEN", as: "file" },
          { name: "PLAIN", as: "env" },
        ],
        dir: { kind: "path", path: "sub" },
        run: [
          "set -u",
          'echo "$STEP $NODE $COLOUR [$PR_NUMBER] [$GIT_TAG] $GIT_BRANCH $TARGET $LEVEL"',
          "pwd; cat there.txt; /workspace/run.sh || sh /workspace/run.sh",
          'test "$(cat "$TOKEN_FILE")" = s3cret-of-the-step && echo file-ok',
          'test "$PLAIN" = s3cret-in-the-environment && echo env-ok',
          'echo "leaks $PLAIN"',
        ].join("\n"),
      },
    ],
    { grant: { secrets }, facts: { params: { LEVEL: "high" }, secrets: ["TOKEN", "PLAIN"] } },
  );

  const printed = log("unit-22");
  expect(printed).toContain("unit-22 22 blue [] [] main el9.x86_64 high\n/workspace/sub\nthere\n");
  expect(printed).toContain("ran\nfile-ok\nenv-ok\nleaks ***\n");
  expect(end).toMatchObject({ state: "passed" });
});

test("the user ci has uid 1000, a home of its own, and may write to the workspace", async () => {
  const { end, log } = await run([
    {
      name: "unit",
      user: "ci",
      run: 'id -u; echo "$HOME"; test -O "$HOME" && echo own; echo x > "$HOME/x"; echo y > /workspace/sub/y',
    },
  ]);

  expect(log("unit")).toBe("1000\n/home/ci\nown\n");
  expect(end).toMatchObject({ state: "passed" });
});

test("files that a test keeps are uploaded, and are there for the tests that need it", async () => {
  const { told, end, log } = await run([
    {
      name: "build",
      run: [
        "mkdir -p dist/bin; echo one > dist/one.txt; printf '#!/bin/sh\\necho tool\\n' > dist/bin/tool",
        "chmod +x dist/bin/tool; ln -s /etc/passwd dist/link; echo no > dist/skip.log",
      ].join("\n"),
      keep: { files: ["dist/**", "!dist/*.log"], expiresMs: 60_000, after: "passed" },
    },
    { name: "use", needs: ["build"], run: "cat dist/one.txt; dist/bin/tool; ls dist" },
    { name: "other", run: "ls dist 2>&1 || true" },
  ]);

  expect(end).toMatchObject({ state: "passed" });
  expect(log("use")).toBe("one\ntool\nbin\none.txt\n");
  expect(log("other")).toContain("No such file");
  const kept = told.kept.get("build");
  expect(kept?.files.map(({ path, isExecutable }) => [path, isExecutable])).toEqual([
    ["dist/bin/tool", true],
    ["dist/one.txt", false],
  ]);
  expect(kept?.notes).toEqual(["dist/link is a symlink: left out"]);
  const [, one] = kept?.files ?? [];
  expect(told.artifacts.get(one?.sha256 ?? "")?.toString()).toBe("one\n");
});

test("a failed test's needs are skipped, what may fail may fail, and a shell may enter it", async () => {
  const { told, states, end } = await run([
    { name: "lint", run: "exit 3" },
    { name: "flaky", run: "exit 4", allowFailure: true },
    { name: "e2e", run: "true", needs: ["lint"] },
    { name: "unit", run: "true" },
  ]);

  expect(states).toMatchObject({ lint: "failed", flaky: "failed", e2e: "skipped", unit: "passed" });
  expect(end).toMatchObject({ state: "failed", failure: { step: "lint" } });
  expect(told.ended.get("e2e")).toMatchObject({ note: "lint did not pass", startedAt: null });
  expect(details(told, "flaky")).toMatchObject({ isAllowed: true, exitCode: 4 });
  expect(details(told, "lint")?.shellUntil).toBeGreaterThan(Date.now());
});

test("a test that may fail fails no job", async () => {
  const { states, end } = await run([{ name: "flaky", run: "exit 4", allowFailure: true }]);

  expect(states).toMatchObject({ flaky: "failed" });
  expect(end).toMatchObject({ state: "passed", failure: null });
});

const CACHED = {
  name: "unit",
  cache: { paths: ["~/.npm", "vendor"], keyFiles: null },
  run: [
    'test -f "$HOME/.npm/made" && cat "$HOME/.npm/made" vendor/made || echo cold',
    'mkdir -p "$HOME/.npm" vendor; echo home > "$HOME/.npm/made"; echo ours > vendor/made',
  ].join("\n"),
} satisfies Partial<TestStep>;

test("a cache is saved by a build and restored by the next, but for forks of nobody else's", async () => {
  const repo = { repo: "acme/cached" };
  const first = await run([CACHED], { build: repo });
  const second = await run([CACHED], { build: repo });
  const fresh = await run([CACHED], { build: repo, facts: { fresh: true } });
  const cleared = await run([CACHED], { build: repo, grant: { cacheEpoch: 1 } });
  const pullRequest = { number: 12, baseBranch: "other", headBranch: "t", isFork: true };
  const fork = { trust: "fork-pr", ref: push.ref, pullRequest } as const;
  const forked = await run([CACHED], { build: { ...repo, ...fork } });

  expect(first.log("unit")).toContain("cold\n");
  expect(first.log("unit")).toContain("cache of ~/.npm, vendor saved");
  expect(second.log("unit")).toContain("fits exactly\nhome\nours\n");
  expect(second.log("unit")).not.toContain("saved");
  expect(details(second.told, "unit")?.reuse[0]).toMatchObject({
    what: `~/.npm, vendor from #${number}`,
    savedMs: expect.any(Number),
  });
  for (const other of [fresh, cleared, forked]) expect(other.log("unit")).toContain("cold\n");
  expect(forked.log("unit")).not.toContain("saved");
});

test("a service is there by its name, has a log of its own, and is gone afterwards", async () => {
  const server = "python3 -u -m http.server 8000";
  const { told, states, log, left } = await run(
    [
      {
        name: "unit",
        services: ["web"],
        run: "python3 -c \"import urllib.request as u; print(u.urlopen('http://web:8000/').status)\"",
      },
    ],
    {
      pipeline: {
        services: [
          aService({
            name: "web",
            image: named(BASE_IMAGE),
            command: ["sh", "-c", `echo serving; exec ${server}`],
            ready: "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 8000))\"",
          }),
        ],
      },
    },
  );

  expect(states["unit"], log("unit") + log("unit~web")).toBe("passed");
  expect(log("unit")).toContain("200\n");
  expect(log("unit~web")).toContain("serving");
  expect(details(told, "unit")?.services).toEqual(["web"]);
  expect(left).toEqual([]);
});

test("a service that is never ready fails the step with its last lines, and is gone", async () => {
  const { states, end, left } = await run([{ name: "unit", services: ["db"], run: "true" }], {
    pipeline: {
      services: [
        aService({
          image: named(BASE_IMAGE),
          command: ["sh", "-c", "echo no disk; exit 7"],
          ready: "false",
          readyTimeoutMs: 5_000,
        }),
      ],
    },
  });

  expect(states).toMatchObject({ unit: "failed" });
  expect(end?.failure).toMatchObject({ code: "SERVICE_NOT_READY", step: "unit" });
  expect(end?.failure?.title).toContain("db was not ready");
  expect(left).toEqual([]);
});

test("a step is held to its own limits of memory and time", async () => {
  const { states, told } = await run([
    {
      name: "memory",
      resources: { cpus: 1, memoryBytes: 64 * 2 ** 20, pids: 100, diskBytes: 0 },
      run: 'python3 -c "x = bytearray(200 * 1024 * 1024); print(len(x))"',
    },
    { name: "time", timeoutMs: 1_000, run: "exec sleep 60" },
    { name: "silent", idleTimeoutMs: 1_000, run: "exec sleep 60" },
  ]);

  expect(states).toMatchObject({ memory: "failed", time: "failed", silent: "failed" });
  const codes = ["memory", "time", "silent"].map((step) => {
    const message = told.ended.get(step);
    return message !== undefined && "failure" in message ? message.failure?.code : null;
  });
  expect(codes).toEqual(["OUT_OF_MEMORY", "STEP_TIMEOUT", "STEP_SILENT"]);
  expect(details(told, "memory")).toMatchObject({ memoryLimitBytes: 64 * 2 ** 20 });
});

test("reports of a step are told, whatever its exit status", async () => {
  const xml = (name: string) =>
    `<testsuite name="s"><testcase name="${name}"/><testcase name="no"><failure message="boom"/></testcase></testsuite>`;
  const { told, end } = await run([
    {
      name: "named",
      reports: ["out/r.xml"],
      run: `mkdir out; echo '${xml("a")}' > out/r.xml; exit 1`,
    },
    { name: "usual", run: `echo '${xml("b")}' > sub/junit-x.xml` },
  ]);

  const names = (step: string) =>
    told.reports.get(step)?.flatMap(({ tests }) => tests.map((one) => one.name));
  expect(names("named")).toEqual(["a", "no"]);
  expect(names("usual")).toEqual(["b", "no"]);
  expect(end?.failure).toMatchObject({ step: "named", evidence: "report" });
  expect(details(told, "usual")?.warnings).toHaveLength(1);
});

test("a damaged cache fails one attempt at most, and is gone for every later one", async () => {
  const repo = { repo: "acme/damaged" };
  await run([CACHED], { build: repo });
  const folder = join(rig.dir, "caches");
  const names = await readdir(folder, { recursive: true });
  const archives = names.filter((name) => name.endsWith(".tar.zst"));
  for (const name of archives) await truncate(join(folder, name), 40);

  const second = await run([CACHED], { build: repo });
  const third = await run([CACHED], { build: repo });

  expect(second.told.fault).toMatchObject({ code: "INTERNAL", step: "unit" });
  expect(second.told.fault?.message).toContain("was damaged, and is removed");
  expect(third.log("unit")).toContain("cold\n");
  expect(third.states).toMatchObject({ unit: "passed" });
});

test("a secret is hidden wherever it is told: reports, notes of kept files, failures", async () => {
  const report = `<testsuite name="s"><testcase name="no"><failure message="got s3cret-value">s3cret-value</failure></testcase></testsuite>`;
  const { told, end } = await run(
    [
      {
        name: "unit",
        secrets: [{ name: "TOKEN", as: "file" }],
        reports: ["r.xml"],
        keep: { files: ["s3*"], expiresMs: 1_000, after: "always" },
        run: `echo '${report}' > r.xml; ln -s r.xml s3cret-value; cat "$TOKEN_FILE"; exit 1`,
      },
    ],
    {
      facts: { secrets: ["TOKEN"] },
      grant: { secrets: [{ name: "TOKEN", value: "s3cret-value" }] },
    },
  );

  expect(told.reports.get("unit")?.[0]?.tests[0]).toMatchObject({
    message: "got ***",
    details: "***",
  });
  expect(told.kept.get("unit")?.notes).toEqual(["*** is a symlink: left out"]);
  expect(told.logs.get("unit")?.toString()).toContain("***");
  const all = [told.logs.get("unit")?.toString(), [...told.reports], [...told.ended], end];
  expect(JSON.stringify(all)).not.toContain("s3cret-value");
});

test("a test that fails fails for that, even if it keeps too much", async () => {
  const keep = { files: ["big"], expiresMs: 1_000, after: "failed" } as const;
  const { told, end, log } = await run([
    // A report that is named, so that nobody looks for others in that file.
    { name: "unit", keep, reports: ["none.xml"], run: "truncate -s 1025M big; exit 3" },
  ]);

  expect(end?.failure).toMatchObject({ code: "STEP_FAILED", title: "unit exited 3" });
  expect(log("unit")).toContain("`keep` takes too much");
  expect(details(told, "unit")?.warnings.join()).toContain("`keep` takes too much");
});
