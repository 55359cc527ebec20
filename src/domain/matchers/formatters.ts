import { hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const UNFORMATTED = /^(?:\[warn\]|would reformat) ((?!Code style|Run Prettier)\S.{0,300})$/;
const VERDICT =
  /^\[warn\] Code style issues|^(?:Oh no!|\d+ files? would be reformatted|All done)|^Code style issues/;

/** prettier --check, black --check and their like: files that are not formatted. */
export const formatters: Matcher = {
  tool: "formatter",
  rank: "cause",
  signs: ["[warn] ", "would reformat "],
  find(log) {
    const end = lastIndex(log.lines, VERDICT);
    const found = hitsOf(log.lines.slice(0, Math.max(0, end)), UNFORMATTED).map(
      ({ at, groups: [, path = ""] }) => ({ at, title: titleOf(`not formatted: ${path}`), path }),
    );
    const [first] = found;
    if (first === undefined) return undefined;
    return {
      title: first.title,
      place: placeOf(log, first.path),
      at: first.at,
      from: first.at,
      to: end,
      end,
      also: othersOf(found, first),
    };
  },
};
