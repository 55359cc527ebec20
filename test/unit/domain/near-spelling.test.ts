import { expect, test } from "vitest";
import { editDistance, nearSpelling } from "../../../src/domain/near-spelling.ts";

test.each([
  ["", "", 0],
  ["abc", "abc", 0],
  ["abc", "acb", 1],
  ["abc", "ab", 1],
  ["", "abc", 3],
  ["kitten", "sitting", 3],
  ["ca", "abc", 3],
])("%j is %j but for %d letters", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

test.each([
  ["tset", "test"],
  ["TEST", "test"],
  ["on_newer_push", "on-newer-push"],
  ["imagse", "image"],
  ["te", undefined],
  ["xy", undefined],
  ["text", "test"],
  ["quite-different", undefined],
  ["a".repeat(1_000_000), undefined],
])("%.20s → %s", (word, meant) => {
  expect(nearSpelling(word, ["image", "test", "on-newer-push", "ab"])).toBe(meant);
});

test("the nearest wins, and of two equally near the first", () => {
  expect(nearSpelling("testt", ["tests", "test", "texts"])).toBe("tests");
  expect(nearSpelling("testing1", ["testing22", "testing"])).toBe("testing");
});
