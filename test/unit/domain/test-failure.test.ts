import { expect, test } from "vitest";
import {
  failureFromTests,
  testTitle,
  type ReportedTest,
} from "../../../src/domain/test-failure.ts";

const aTest = (some: Partial<ReportedTest> = {}): ReportedTest => ({
  suite: "s",
  className: "test/greet.test.ts",
  name: "greets an empty name",
  state: "failed",
  message: "expected 'Hello, ' to be 'Hello, stranger'",
  details: "",
  file: "test/greet.test.ts",
  line: 41,
  ...some,
});

test.each([
  ["greet > greets an empty name", "test/greet.test.ts", "greet > greets an empty name"],
  ["emptyName", "com.acme.GreetTest", "GreetTest > emptyName"],
  ["TestEmptyName", "example.com/greet", "greet > TestEmptyName"],
  ["test_shouts[a b]", "tests.test_greet.TestShout", "TestShout > test_shouts[a b]"],
  ["tests::by_name", "greet", "greet > tests::by_name"],
  ["quick", "quick", "quick"],
  ["says\n  hello", "", "says hello"],
])("%s of %s is called %s", (name, className, title) => {
  expect(testTitle({ name, className })).toBe(title);
});

test("the first failure is the card's, the others stand beside it", () => {
  const passed = aTest({ state: "passed", name: "greets by name" });
  const other = aTest({ state: "errored", name: "shouts out loud", file: null, line: null });

  expect(failureFromTests([passed, aTest(), other])).toEqual({
    title: "greets an empty name",
    excerpt: "expected 'Hello, ' to be 'Hello, stranger'",
    file: "test/greet.test.ts",
    line: 41,
    logLine: null,
    also: [{ title: "shouts out loud", logLine: null }],
    failedCount: 2,
  });
});

test("without a failed test there is nothing to say", () => {
  expect(failureFromTests([])).toBeUndefined();
  expect(failureFromTests([aTest({ state: "skipped" })])).toBeUndefined();
});

test("the log's line is the one that says that it failed", () => {
  const text =
    "run greets an empty name\nok   by name\n\u001b[31m× greets an empty name\u001b[0m\n";

  expect(failureFromTests([aTest()], { text, firstLineNumber: 101 })?.logLine).toBe(103);
  expect(failureFromTests([aTest()], { text: "nothing", firstLineNumber: 1 })?.logLine).toBeNull();
});

test("the excerpt is 20 lines at most, without the frames of runners, and repeats nothing", () => {
  const frames = Array.from({ length: 40 }, (_, index) => `    at own (src/a.ts:${index}:1)`);
  const details = ["Error: no", "    at x (/w/node_modules/r/run.js:1:1)", ...frames].join("\n");

  const { excerpt } = failureFromTests([aTest({ message: "Error: no", details })]) ?? {};

  expect(excerpt?.split("\n")).toHaveLength(20);
  expect(excerpt).toMatch(/^Error: no\n {4}at own \(src\/a\.ts:0:1\)/);
});
