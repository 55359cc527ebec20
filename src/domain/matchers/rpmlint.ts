import { bestOf, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const ERROR = /^([^\s:]{1,300}):(?:(\d{1,7}):)? E: (.{1,400})$/;
const SUMMARY = /^ *\d+ packages and \d+ spec ?files checked; \d+ errors?, /;

export const rpmlint: Matcher = {
  tool: "rpmlint",
  rank: "cause",
  signs: [" E: "],
  find(log) {
    const end = lastIndex(log.lines, SUMMARY);
    if (end === -1) return undefined;
    const found = hitsOf(log.lines.slice(0, end), ERROR).map(
      ({ at, groups: [, path = "", line, message = ""] }) => ({
        at,
        title: titleOf(message),
        place: path.endsWith(".spec") ? placeOf(log, path, line) : null,
      }),
    );
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { at, title, place } = chosen;
    const check = /^([\w-]+)/.exec(title)?.[1];
    return {
      title,
      place,
      at,
      from: at,
      to: Math.min(end, at + 19),
      end: Math.max(
        end,
        log.lines.findLastIndex((line) => /^=+ .* =+$/.test(line)),
      ),
      hint: check === undefined ? null : `\`rpmlint -e ${check}\` explains it.`,
      also: othersOf(found, chosen),
    };
  },
};
