import { firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Match, MatchPlace, Matcher } from "./matcher.ts";

const FAIL = /^ *FAIL {1,2}(.{1,600})$/;
const PLACE = /^ *❯ (?:[^\s].{0,200} )?([^\s:][^:]{0,400}):(\d{1,7}):\d{1,7}$/;
const SUMMARY = /^ *(?:Test Files|Tests|Start at|Duration|Type Errors|Errors) {2}/;

/** vitest's list of failed tests and suites at the end of its run. */
export const vitest: Matcher = {
  tool: "vitest",
  rank: "cause",
  signs: ["Failed Tests", "Failed Suites", "Unhandled ", "Uncaught Exception"],
  find(log) {
    const { lines } = log;
    const start = lastIndex(lines, /^ *RUN +v\d/);
    const listed = firstHit(lines, /⎯ *Failed (?:Tests|Suites) \d+/, start + 1);
    if (listed === undefined) return unhandled(log);
    const found = hitsOf(lines, FAIL, listed.at);
    const [first] = found;
    if (first === undefined) return undefined;
    const to = (firstHit(lines, /^⎯{3}/, first.at)?.at ?? first.at + 20) - 1;
    const isSuite = /\[ .{1,300} \]$/.test(first.groups[1] ?? "");
    const reason = isSuite ? `: ${lines[first.at + 1] ?? ""}` : "";
    return {
      title: titleOf(nameOf(first) + reason),
      place: placeIn(log, first.at, to),
      at: first.at,
      from: first.at,
      to,
      end: Math.max(to, lastIndex(lines, SUMMARY)),
      also: othersOf(
        found.map((hit) => ({ at: hit.at, title: nameOf(hit) })),
        { at: first.at, title: nameOf(first) },
      ),
    };
  },
};

/** An error that no test waited for. */
function unhandled(log: LogView): Match | undefined {
  const { lines } = log;
  const heading = firstHit(
    lines,
    /⎯ *(?:Uncaught Exception|Unhandled Rejection|Unhandled Error) *⎯/,
  );
  if (heading === undefined) return undefined;
  const at = heading.at + 1;
  const to = (firstHit(lines, /^This error originated|^⎯{10}/, at)?.at ?? at + 10) - 1;
  return {
    title: titleOf(lines[at] ?? ""),
    place: placeIn(log, at, to),
    at,
    from: at,
    to,
    end: Math.max(to, lastIndex(lines, SUMMARY)),
  };
}

function nameOf({ groups }: Hit): string {
  return titleOf((groups[1] ?? "").replace(/ \[ [^\]]{1,300} \]$/, ""));
}

/** The first place is where it was thrown, which may be in a package: the first of ours counts. */
function placeIn(log: LogView, from: number, to: number): MatchPlace | null {
  for (const { groups } of hitsOf(log.lines.slice(from, to + 1), PLACE)) {
    const place = placeOf(log, groups[1], groups[2]);
    if (place !== null) return place;
  }
  return null;
}
