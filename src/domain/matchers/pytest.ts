import { firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, MatchPlace, Matcher } from "./matcher.ts";

const HEADING = /^=+ (?:FAILURES|ERRORS) =+$/;
const TEST = /^_{3,} (.{1,300}?) _{3,}$/;
const PLACE = /^([^\s:][^:]{0,400}):(\d{1,7}):(?: (?!in <frozen).{0,300})?$/;
const LISTED = /^(FAILED|ERROR) (.{1,600})$/;
const SUMMARY = /^(?:=+ )?.*\b\d+ (?:failed|errors?)\b.* in [\d.]+s(?: \([\d:]+\))?(?: =+)?$/;

/** pytest: the failures with their places, then a short summary, then one line that counts. */
export const pytest: Matcher = {
  tool: "pytest",
  rank: "cause",
  signs: ["= FAILURES =", "= ERRORS =", "short test summary info"],
  find(log) {
    const { lines } = log;
    const summary = lastIndex(lines, SUMMARY);
    const start = lastIndex(lines.slice(0, Math.max(0, summary)), /^=+ test session starts =+$/);
    const heading = firstHit(lines, HEADING, start + 1);
    if (heading === undefined) return undefined;
    const first = firstHit(lines, TEST, heading.at);
    if (first === undefined) return undefined;
    const to =
      (firstHit(lines, /^(?:_{3,} .* _{3,}|=+ .* =+)$/, first.at + 1)?.at ?? lines.length) - 1;
    const listed = hitsOf(lines, LISTED, lastIndex(lines, /^=+ short test summary info =+$/) + 1);
    const title = titleOf(
      withReason(listedName(listed, first) ?? first.groups[1] ?? "", lines, first.at, to),
    );
    const own = listedName(listed, first);
    const others = listed
      .filter(({ groups }) => groups[2] !== own)
      .map((hit) => ({ at: hit.at, title: titleOf(hit.groups[2] ?? "") }));
    const place = placeIn(log, first.at, to);
    return {
      title,
      place,
      at: first.at,
      from: Math.max(first.at, to - 19),
      to,
      end: Math.max(to, summary),
      hint: missingModule(lines, first.at, to),
      also: othersOf(others, { title, at: first.at }),
    };
  },
};

/** The line of the short summary that belongs to the first failure says file and reason as well. */
function listedName(listed: readonly Hit[], { groups }: Hit): string | undefined {
  const name = (groups[1] ?? "").replace(/^ERROR (?:at (?:setup|teardown) of|collecting) /, "");
  const own = listed.find(({ groups: [, , text = ""] }) => {
    const [id = ""] = text.split(" - ", 1);
    return (
      id === name || id.endsWith(`::${name}`) || id.endsWith(`::${name.replaceAll(".", "::")}`)
    );
  });
  return own?.groups[2];
}

/** A file that cannot be collected is listed without the reason. */
function withReason(name: string, lines: readonly string[], from: number, to: number): string {
  if (name.includes(" - ")) return name;
  const reason = firstHit(lines, /^E {3}(\S.{0,400})$/, from, to + 1)?.groups[1];
  return reason === undefined ? name : `${name} - ${reason}`;
}

/** A traceback goes inwards: the first place is in the test, the last where it broke. */
function placeIn(log: LogView, from: number, to: number): MatchPlace | null {
  for (const { groups } of hitsOf(log.lines.slice(from, to + 1), PLACE)) {
    const place = placeOf(log, groups[1], groups[2]);
    if (place !== null) return place;
  }
  return null;
}

function missingModule(lines: readonly string[], from: number, to: number): string | null {
  const name = firstHit(
    lines,
    /^E +ModuleNotFoundError: No module named '([^']{1,100})'/,
    from,
    to + 1,
  );
  return name === undefined ? null : `Install the module ${name.groups[1]} in the image.`;
}
