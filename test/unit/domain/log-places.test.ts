import { expect, test } from "vitest";
import { placesOn } from "../../../src/domain/log-places.ts";

test.each([
  ["src/a.c:12", "src/a.c:12"],
  ["src/a.c:12:5: error", "src/a.c:12"],
  ["./src/a.c:12", "./src/a.c:12"],
  ["src/a.ts(12,5): error", "src/a.ts:12"],
  ["at f (/workspace/src/a.js:12:5)", "/workspace/src/a.js:12"],
  ["at file:///workspace/a.js:12:5", "/workspace/a.js:12"],
  ["location: '/workspace/a.js:12:5'", "/workspace/a.js:12"],
  ['File "src/a.py", line 12, in f', "src/a.py:12"],
  ['File "my dir/a.py", line 12', "my dir/a.py:12"],
  ["a.sh: line 12: no", "a.sh:12"],
  ["a.pl line 12.", "a.pl:12"],
  ["in a.php on line 12", "a.php:12"],
  ["--file=a.c:12", "a.c:12"],
  ["(in test file t/a.bats, line 12)", "t/a.bats:12"],
  ["a.c:1 b.c:2", "a.c:1 b.c:2"],
  ["a.c:0", ""],
  ["a.c:123456789", ""],
  [": 12", ""],
  ["online 12", ""],
])("%s → %s", (line, places) => {
  expect(
    placesOn(line)
      .map((place) => `${place.path}:${place.line}`)
      .join(" "),
  ).toBe(places);
});

test("make's repetition of which of its own lines ended is no place", () => {
  expect(placesOn("make: *** [Makefile:11: check] Error 1")).toEqual([]);
  expect(placesOn("gmake[2]: *** [src/Makefile:3: all] Error 2")).toEqual([]);
});
