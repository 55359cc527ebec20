import { expect, test } from "vitest";
import type { ApiBuild, ApiJob, ApiPublish } from "../../../src/cli/api-types.ts";
import type { Line, Printer } from "../../../src/cli/print.ts";
import { stepPrinter } from "../../../src/cli/step-printer.ts";

test("a new attempt says what became of the former ones, each once", () => {
  const lost = [
    { attempt: 1, isHandedBack: true, reason: "its worker was stopped" },
    { attempt: 2, isHandedBack: false, reason: "worker w-2 did not come back" },
  ];
  const reason = "waiting for a worker: next in line";
  const queued = aBuild({ jobs: [aJob({ attempt: 2, reason, lostAttempts: lost })] });

  expect(shown([queued, queued]).answered).toEqual([
    "  again attempt 1 was handed back: its worker was stopped",
    "  again attempt 2 was lost: worker w-2 did not come back",
  ]);
});

test("an attempt that only made the plan was not lost", () => {
  const again = aBuild({ jobs: [aJob({ state: "running", attempt: 2, lostAttempts: [] })] });

  expect(shown([again]).answered).toEqual([]);
});

test("what stands still says why, once for each reason, and not how long it has", () => {
  const drained = "its workers are drained: w-1; tatara worker resume w-1";
  const missing = (time: string) => `no worker is online since ${time}`;
  const reasons = [drained, drained, missing("2 min"), missing("3 min")];
  const builds = reasons.map((reason) =>
    aBuild({ jobs: [aJob({ waiting: { reason, ahead: null } })] }),
  );

  expect(shown(builds).progressed).toEqual([
    `queued: ${drained}`,
    "queued: no worker is online since 2 min",
  ]);
});

test("a place in the line is no standstill", () => {
  const waiting = { reason: "waiting for a worker: 1 ahead, about 40 s", ahead: 1 };

  expect(shown([aBuild({ jobs: [aJob({ waiting })] })]).progressed).toEqual([]);
});

test("a publish that nobody takes says why", () => {
  const waiting = "the publish worker is drained: p-1; tatara worker resume p-1";
  const publish = { ...PUBLISH, waiting };
  const jobs = [aJob({ state: "passed" })];

  expect(shown([aBuild({ jobs, publish })]).progressed).toEqual([`publish queued: ${waiting}`]);
  expect(shown([aBuild({ jobs, staging: publish })]).progressed).toEqual([
    `stage queued: ${waiting}`,
  ]);
});

test("what passes at once is not worth a line", () => {
  const waits = (reason: string) => aBuild({ jobs: [aJob({ waiting: { reason, ahead: null } })] });

  expect(shown([waits("waits for its push to end"), waits("other")], 1_000).progressed).toEqual([]);
});

const PUBLISH: ApiPublish = {
  state: "queued",
  channels: ["dev"],
  generations: [],
  keyFingerprint: null,
  durationMs: null,
};

/** What is printed where there is no terminal. */
function shown(builds: readonly ApiBuild[], eachMs = 2_000) {
  const answered: string[] = [];
  const progressed: string[] = [];
  const textOf = (line: Line): string =>
    line.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");
  const printer: Printer = {
    answer: (...line) => void answered.push(textOf(line)),
    progress: (...line) => void progressed.push(textOf(line)),
    complain: () => undefined,
    json: () => undefined,
    bytes: () => undefined,
    block: () => undefined,
    hasBlock: false,
  };
  let clock = 0;
  const steps = stepPrinter({ printer, now: () => clock });
  for (const build of builds) {
    steps.show(build);
    clock += eachMs;
    steps.show(build);
  }
  steps.end();
  return { answered, progressed };
}

function aJob(some: Partial<ApiJob>): ApiJob {
  const facts = { id: "j-1", target: "debian12.x86_64", reason: null, attempt: 1, steps: [] };
  return { ...facts, state: "queued", ...some };
}

function aBuild(some: Partial<ApiBuild>): ApiBuild {
  return {
    id: "b-1",
    repo: "acme/hello",
    number: 1,
    url: "http://localhost/repos/acme/hello/1",
    sha: null,
    ref: "refs/heads/main",
    message: "",
    authorName: "",
    state: "running",
    reason: null,
    failure: null,
    createdAt: "2026-11-22T00:00:00.000Z",
    startedAt: null,
    endedAt: null,
    note: null,
    jobs: [],
    publish: null,
    packages: [],
    artifacts: [],
    timings: { waitedMs: 0, ranMs: null, publishMs: null, totalMs: null },
    ...some,
  };
}
