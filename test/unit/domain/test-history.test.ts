import { expect, test } from "vitest";
import {
  failingSince,
  FLAKY_SCORE_MIN,
  flakyScore,
  type TestRun,
} from "../../../src/domain/test-history.ts";

/** `p1 f1 p2`: passed and failed, and on which commit; `r` passed at a second try, `s` skipped. */
function runs(text: string): readonly TestRun[] {
  return text.split(" ").map((word, index) => ({
    state: word.startsWith("f") ? "failed" : word.startsWith("s") ? "skipped" : "passed",
    number: index + 1,
    sha: word.slice(1) === "" ? null : word.slice(1),
    isRetried: word.startsWith("r"),
  }));
}

test.each([
  ["always passes", "p1 p2 p3"],
  ["always fails", "f1 f2 f3"],
  ["was broken and mended", "p1 p2 f3 f4 p5 p6"],
  ["was broken twice", "p1 f2 p3 f4 p5"],
  ["was skipped between", "p1 s2 p3"],
])("a test that %s is not flaky", (_what, text) => {
  expect(flakyScore(runs(text))).toBeLessThan(FLAKY_SCORE_MIN);
});

test.each([
  ["both results for one commit", "p1 f1"],
  ["a rerun that passes", "p1 f2 p2"],
  ["a second try of its runner", "p1 r2 p3"],
  ["change after change", "p1 f2 p3 f4 p5 f6 p7 f8"],
])("a test with %s is flaky", (_what, text) => {
  expect(flakyScore(runs(text))).toBeGreaterThanOrEqual(FLAKY_SCORE_MIN);
});

test("what happened on one commit weighs most, and the score stays below 1", () => {
  const same = flakyScore(runs("p1 f1 p1"));

  expect(same).toBeGreaterThan(flakyScore(runs("p1 f2 p3 f4 p5 f6")));
  expect(flakyScore(runs("p1 f1 ".repeat(15).trim()))).toBeLessThan(1);
  // Two runs of which nobody knows the commit are not of the same one.
  expect(flakyScore(runs("p f"))).toBeLessThan(FLAKY_SCORE_MIN);
});

test.each([
  ["p1 f2 f3", 2],
  ["f1 f2", 1],
  ["p1 f2 s3 f4", 2],
  ["f1 p2", undefined],
  ["p1 f2 s3", 2],
])("%s fails since %s", (text, since) => {
  expect(failingSince(runs(text))).toBe(since);
});
