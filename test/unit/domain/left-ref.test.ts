import { expect, test } from "vitest";
import { hasLeft } from "../../../src/domain/supersede.ts";

const ZERO = "0".repeat(40);

test.each([
  ["where the next push put it", "c", ["b c"], true],
  ["where a later one did", "e", ["b c", "c d", "d e"], true],
  ["where an earlier of several did", "c", ["b c", "c d"], true],
  ["deleted", null, [`b ${ZERO}`], true],
  ["deleted and made anew", "c", [`b ${ZERO}`, `${ZERO} c`], true],
  ["round in a circle and on", "f", ["b c", "c d", "d c", "c f"], true],
  ["nowhere that anybody told of", "x", ["b c"], false],
  ["deleted, which nobody told of", null, ["b c"], false],
  ["where it was before", "a", ["b c", "c a"], false],
  ["where a push from elsewhere put it", "d", ["b c", "x d"], false],
  ["and no push was later", "c", [], false],
])("a commit b is gone for good if its ref is seen %s", (_where, seen, moves, isGone) => {
  const later = moves.map((move) => {
    const [before = "", after = ""] = move.split(" ");
    return { before, after };
  });

  expect(hasLeft({ before: "a", after: "b" }, seen, later)).toBe(isGone);
});
