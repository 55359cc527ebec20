import { expect, test } from "vitest";
import { baseName, pathInRepo } from "../../../src/domain/repo-path.ts";

test.each([
  ["hello.spec", "hello.spec"],
  ["./rpm//hello.spec", "rpm/hello.spec"],
  ["rpm/../hello.spec", "hello.spec"],
  ["a/..", undefined],
  ["..", undefined],
  ["../hello.spec", undefined],
  ["a/../../hello.spec", undefined],
  ["/hello.spec", undefined],
  ["", undefined],
  [".", undefined],
  ["...", "..."],
])("%j is %j in the repo", (written, path) => {
  expect(pathInRepo(written)).toBe(path);
});

test("the last part of a path is its name", () => {
  expect(["a/b.c", "b.c", ""].map(baseName)).toEqual(["b.c", "b.c", ""]);
});
