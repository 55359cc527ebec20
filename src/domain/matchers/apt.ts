import { hitsOf, lastIndex, othersOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const ERROR =
  /^E: (?!Some index files|Sub-process|The repository '|Failed to fetch|Could not get lock)(.{1,400})$/;

/** apt: `E: Unable to locate package …` and its other refusals. */
export const apt: Matcher = {
  tool: "apt",
  rank: "cause",
  signs: ["E: "],
  find(log) {
    const found = hitsOf(log.lines, ERROR).map(({ at, groups: [, said = ""] }) => ({
      at,
      title: titleOf(said),
    }));
    const [first] = found;
    if (first === undefined || !/package|dependenc|version/i.test(first.title)) return undefined;
    const isUnknown = /^Unable to locate|has no installation candidate/.test(first.title);
    return {
      ...first,
      place: null,
      from: Math.max(0, first.at - 8),
      to: found.at(-1)?.at ?? first.at,
      end: Math.max(first.at, lastIndex(log.lines, /^E: /)),
      hint: isUnknown ? "Run `apt-get update` in the same command, or correct the name." : null,
      also: othersOf(found, first),
    };
  },
};
