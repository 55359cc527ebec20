import { expect, test } from "vitest";
import {
  failureLines,
  formatMs,
  nameColumnsOf,
  resultLine,
  resultsOf,
} from "../../../src/cli/show-build.ts";
import type { ApiBuild } from "../../../src/cli/api-types.ts";
import type { Line } from "../../../src/cli/print.ts";
import type { FailureCard } from "../../../src/shared/message-parts.ts";

test("times are as short as they can be", () => {
  const times = [40, 1_234, 9_960, 59_499, 60_000, 111_000, 7_500_000].map(formatMs);

  expect(times).toEqual(["0.0s", "1.2s", "10s", "59s", "1m00", "1m51", "2h05"]);
});

test("a failure names the place, shows the evidence and says whose it is", () => {
  expect(failureLines(aFailure({})).map(textOf)).toEqual([
    "test > greets an empty name   STEP_FAILED",
    "  tests/check.sh:28",
    "  | not ok 3 - greets an empty name",
    "  | expected this, got that",
    "  your code or tests",
  ]);
});

test("a failure of ours says so, and a guess says that it is one", () => {
  const lines = failureLines(
    aFailure({ kind: "ours", file: null, confidence: "low", hint: "wait" }),
  );

  expect(lines.map(textOf)).toContain("  do: wait");
  expect(lines.map(textOf).slice(-1)).toEqual([
    "  Tatara itself, not your code; confidence: low (found in the log)",
  ]);
});

test("what to do stands behind the place, what else failed and since when below the evidence", () => {
  const also = ["a", "b", "c", "d", "e"].map((title) => ({ title, logLine: null }));
  const failure = aFailure({ hint: "add it to %files", also, newSince: 118 });

  expect(failureLines(failure).map(textOf)).toEqual([
    "test > greets an empty name   STEP_FAILED",
    "  tests/check.sh:28    add it to %files",
    "  | not ok 3 - greets an empty name",
    "  | expected this, got that",
    "  also: a; b; c; and 2 more",
    "  your code or tests; failing since #118",
  ]);
});

test("all mistakes of a file are shown instead of an excerpt", () => {
  const lines = failureLines(aFailure({ problems: "one\ntwo\n" })).map(textOf);

  expect(lines).toContain("  | one");
  expect(lines).not.toContain("  | expected this, got that");
});

test("a package step waits for the names of what it made", () => {
  const running = resultsOf(aBuild({ jobState: "running", fileNames: [] }))[0];
  const sent = resultsOf(
    aBuild({ jobState: "running", fileNames: ["a-1-1.x86_64.rpm", "a-1-1.src.rpm"] }),
  )[0];

  expect(running?.isComplete).toBe(false);
  expect(sent).toMatchObject({ isComplete: true, note: "a-1-1.x86_64" });
});

test("of several jobs each step names its own, and only the last package step of a target what was made", () => {
  const one = aBuild({ jobState: "passed", fileNames: ["a-1-1.x86_64.rpm"] });
  const [job] = one.jobs;
  if (job === undefined) throw new Error("The build has no job.");
  const names = ["api debian12.x86_64", "web debian12.x86_64"];
  const jobs = names.map((name, at) => ({ ...job, id: `j-${at}`, name }));

  const steps = resultsOf({ ...one, jobs, publish: null });

  expect(steps.map(({ name, note }) => [name, note])).toEqual([
    ["package (api debian12.x86_64)", null],
    ["package (web debian12.x86_64)", "a-1-1.x86_64"],
  ]);
  expect(resultsOf(one)[0]).toMatchObject({ name: "package", note: "a-1-1.x86_64" });
});

test("a project that was left out is one line that says why", () => {
  const one = aBuild({ jobState: "passed", fileNames: [] });
  const left = {
    id: "j-2",
    name: "common debian12.x86_64",
    project: "common",
    target: "debian12.x86_64",
    state: "skipped",
    reason: "no file of it changed",
    attempt: 0,
    steps: [],
  } as const;

  const lines = resultsOf({ ...one, jobs: [...one.jobs, left], publish: null }).slice(1);

  expect(lines.map((line) => textOf(resultLine(line)))).toEqual([
    "  skipped common              no file of it changed",
  ]);
});

test("names are as wide as the longest of them, up to 32", () => {
  expect([5, 20, 32, 60].map((length) => nameColumnsOf([{ name: "x".repeat(length) }]))).toEqual([
    13, 21, 33, 33,
  ]);
});

test("the publish is the last line", () => {
  const results = resultsOf(aBuild({ jobState: "passed", fileNames: [] }));

  expect(results.at(-1)).toMatchObject({
    name: "publish",
    state: "passed",
    note: "dev, generation 4, signed 77B3",
  });
});

function textOf(line: Line): string {
  return line.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");
}

function aFailure(facts: Partial<FailureCard>): FailureCard {
  return {
    kind: "code",
    code: "STEP_FAILED",
    step: "test",
    title: "test > greets an empty name",
    excerpt: "not ok 3 - greets an empty name\nexpected this, got that\n",
    file: "tests/check.sh",
    line: 28,
    logLine: 5,
    hint: null,
    confidence: "high",
    evidence: "log",
    problems: null,
    ...facts,
  };
}

function aBuild(facts: {
  readonly jobState: "running" | "passed";
  readonly fileNames: readonly string[];
}): ApiBuild {
  const target = "debian12.x86_64";
  const step = {
    name: "package",
    kind: "package",
    state: "passed",
    note: null,
    startedAt: null,
    durationMs: 40,
    url: "",
  } as const;
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
    createdAt: "",
    startedAt: null,
    endedAt: null,
    note: null,
    jobs: [{ id: "j-1", target, state: facts.jobState, reason: null, attempt: 1, steps: [step] }],
    publish: {
      state: "live",
      channels: ["dev"],
      generations: [{ channel: "dev", number: 4 }],
      keyFingerprint: "4F2A91C0000000000000000000000000000077B3",
      durationMs: 90,
    },
    packages: [],
    artifacts: facts.fileNames.map((fileName) => ({ fileName, target })),
    timings: { waitedMs: 0, ranMs: null, publishMs: 90, totalMs: null },
  };
}
