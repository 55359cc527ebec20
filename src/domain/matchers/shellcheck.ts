import { bestOf, firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { LogView, Matcher, MatchPlace } from "./matcher.ts";

const IN = /^In ([^\s].{0,300}) line (\d{1,7}):$/;
const SAID =
  /^ *\^-*\^? *(SC\d{4}) \((error|warning|info|style)\): (.{1,400})$|^ *\^-*\^? *-- (SC\d{4}): (.{1,400})$/;
const PLAIN =
  /^([^\s:][^:]{0,300}):(\d{1,7}):\d{1,7}: (error|warning|note): (.{1,400}) \[(SC\d{4})\]$/;

interface Found {
  readonly at: number;
  readonly title: string;
  readonly place: MatchPlace | null;
}

/** shellcheck on a terminal and as gcc writes. Any of its remarks makes it end non-zero. */
export const shellcheck: Matcher = {
  tool: "shellcheck",
  rank: "cause",
  signs: ["SC1", "SC2", "SC3"],
  find(log) {
    const plain = hitsOf(log.lines, PLAIN).map(({ at, groups }) => ({
      at,
      title: titleOf(`${groups[5]}: ${groups[4]}`),
      place: placeOf(log, groups[1], groups[2]),
    }));
    const found = plain.length > 0 ? plain : pretty(log);
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const last = found.at(-1)?.at ?? chosen.at;
    const from = plain.length > 0 ? chosen.at : Math.max(0, chosen.at - 2);
    return {
      ...chosen,
      from,
      to: Math.min(from + 9, log.lines.length - 1),
      end: Math.max(last, lastIndex(log.lines, /^ {2}https:\/\/\S+\/SC\d{4} -- /)),
      also: othersOf(found, chosen),
    };
  },
};

function pretty(log: LogView): readonly Found[] {
  return hitsOf(log.lines, IN).flatMap(({ at, groups: [, path, line] }) => {
    const said = firstHit(log.lines, SAID, at + 1, at + 6);
    if (said === undefined) return [];
    const [, code, , message, otherCode, otherMessage] = said.groups;
    const title = titleOf(`${code ?? otherCode}: ${message ?? otherMessage ?? ""}`);
    return [{ at: said.at, title, place: placeOf(log, path, line) }];
  });
}
