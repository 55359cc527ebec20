import { firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const FAILED = /^\[ {2}FAILED {2}\] ([\w/.]{1,300})(?:, where .{0,200})? \(\d+ ms\)$/;
const FAILURE =
  /^([^\s:][^:]{0,400}):(\d{1,7}): Failure$|^([^\s(][^(]{0,400})\((\d{1,7})\): error: /;

export const gtest: Matcher = {
  tool: "gtest",
  rank: "cause",
  signs: ["[  FAILED  ]"],
  find(log) {
    const { lines } = log;
    const found = hitsOf(lines, FAILED).map(({ at, groups: [, name = ""] }) => ({
      at,
      title: titleOf(name),
    }));
    const [first] = found;
    if (first === undefined) return undefined;
    const run = lines.findLastIndex((line, at) => at < first.at && line.startsWith("[ RUN      ]"));
    const failure = firstHit(lines, FAILURE, run + 1, first.at);
    const [, path, line, otherPath, otherLine] = failure?.groups ?? [];
    const at = failure?.at ?? first.at;
    return {
      title: first.title,
      place: placeOf(log, path ?? otherPath, line ?? otherLine),
      at,
      from: Math.max(run, at - 5, 0),
      to: Math.min(first.at, at + 14),
      end: Math.max(
        first.at,
        lastIndex(lines, /^(?:\[ {2}FAILED {2}\]|\[={10}\]| *\d+ FAILED TESTS?)/),
      ),
      also: othersOf(found, first),
    };
  },
};
