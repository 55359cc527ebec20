import { expect, test } from "vitest";
import { failurePlace } from "../../../../../workers/build/reports/failure-place.ts";
import { sourceTree } from "../../../../../workers/build/reports/source-tree.ts";

const FILES = [
  "src/greet.ts",
  "services/api/src/greet.ts",
  "services/api/test/greet.test.ts",
  "java/src/test/java/com/acme/GreetTest.java",
  "java/src/test/java/com/other/GreetTest.java",
  "lib/a/util_test.go",
  "tests/test_greet.py",
  "tests/helper.py",
];
const commit = { has: (path: string) => FILES.includes(path), files: () => FILES };
const tree = sourceTree(commit, "services/api");
const nowhere = { file: null, line: null };

test.each([
  ["below the project's folder first", "src/greet.ts", "", "services/api/src/greet.ts"],
  ["from the root of the workspace", "/workspace/src/greet.ts", "", "src/greet.ts"],
  ["as a file address", "file:///workspace/tests/helper.py", "", "tests/helper.py"],
  ["in an image that carries its sources", "/app/tests/helper.py", "", "tests/helper.py"],
  ["by its name alone, if one file has it", "util_test.go", "", "lib/a/util_test.go"],
  ["by its class, if several have it", "GreetTest.java", "com.other.GreetTest", FILES[4]],
  ["not if nothing tells which", "GreetTest.java", "", undefined],
  ["not outside the commit", "/usr/lib/python3/unittest.py", "", undefined],
  ["not above the workspace", "../../etc/passwd", "", undefined],
])("a file is found %s", (_how, written, hint, file) => {
  expect(tree.find(written, hint)).toBe(file);
});

test("a test is blamed where its own file is named, not where its helper is", () => {
  const text = `AssertionError: no
    at check (/app/services/api/src/greet.ts:3:9)
    at test (/app/services/api/test/greet.test.ts:41:5)
    at run (/app/node_modules/vitest/dist/run.js:9:1)`;

  expect(failurePlace({ text, className: "test/greet.test.ts", written: nowhere }, tree)).toEqual({
    file: "services/api/test/greet.test.ts",
    line: 41,
  });
});

test("Python names the innermost call last", () => {
  const text = `Traceback (most recent call last):
  File "/workspace/tests/test_greet.py", line 7, in test_greets
  File "/workspace/tests/test_greet.py", line 12, in check
  File "/usr/lib/python3.11/unittest/case.py", line 873, in assertEqual
AssertionError`;

  expect(failurePlace({ text, className: "tests.test_greet", written: nowhere }, tree)).toEqual({
    file: "tests/test_greet.py",
    line: 12,
  });
});

test("without a place in the text the attributes count", () => {
  const written = { file: "tests/helper.py", line: 4 };

  expect(failurePlace({ text: "no", className: "", written }, tree)).toEqual(written);
});
