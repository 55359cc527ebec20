import { describe, expect, test } from "vitest";
import { testTitle } from "../../../src/domain/log-titles.ts";

describe("lines that name a failed test", () => {
  test.each([
    ["not ok 3 - greets an empty name", "greets an empty name"],
    ["    not ok 12 greets", "greets"],
    ["not ok - greets", "greets"],
    ["not ok 3 - greets # time=1.2ms", "greets"],
    ["FAIL: tests/hello-1", "tests/hello-1"],
    ["FAIL  test/greet.test.ts > greets", "test/greet.test.ts > greets"],
    ["FAILED tests/test_greet.py::test_empty", "tests/test_greet.py::test_empty"],
    ["--- FAIL: TestGreet/empty (0.00s)", "TestGreet/empty"],
    ["[  FAILED  ] Greet.Empty (0 ms)", "Greet.Empty"],
    ["[FAIL] greets", "greets"],
    ["  ✗ 3) greets 12ms", "greets"],
    ["✖ greets (1.25ms)", "greets"],
    ["  × greets   an  empty name 3ms", "greets an empty name"],
    ["❌ greets", "greets"],
    ["● greet › empty name", "greet › empty name"],
    ["test tests::greets ... FAILED", "test tests::greets"],
    ["1/3 Test #1: greets ..............***Failed    0.01 sec", "1/3 Test #1: greets"],
    ["tests/test_greet.py::test_empty FAILED        [ 50%]", "tests/test_greet.py::test_empty"],
    ["not ok 1 - 2 users are greeted", "2 users are greeted"],
  ])("%s", (line, title) => {
    expect(testTitle(line)).toBe(title);
  });
});

describe("lines that do not", () => {
  test.each([
    "ok 1 - greets",
    "not ok 4 - greets # TODO later",
    "not ok 4 - greets # SKIP no network",
    "not okay",
    "FAIL",
    "FAILED (failures=1, errors=2)",
    "# FAIL:  1",
    "FAIL: 1",
    "[  FAILED  ] 1 test, listed below:",
    "✖ failing tests:",
    "✗ 3 failed",
    "test result: FAILED. 1 passed; 2 failed",
    "● a bullet in a list",
    "FAILURE",
    "Failed to fetch",
    "it did not fail",
    "",
  ])("%j", (line) => {
    expect(testTitle(line)).toBeUndefined();
  });
});
