import { bestOf, firstHit, hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { LogView, MatchPlace, Matcher } from "./matcher.ts";

const THROWN = /^(?:Exception in thread "[^"]{1,200}" |Caused by: )([\w.$]{1,300}(?:: .{0,400})?)$/;
const FRAME =
  /^\s+at (?:[\w.@/]{0,100}\/)?([\w.$]{1,300})\.[\w$<>]{1,200}\(([\w.$]{1,200}):(\d{1,7})\)$/;

/** A Java program that ended with an exception; the last cause is the one that counts. */
export const java: Matcher = {
  tool: "java",
  rank: "crash",
  signs: ['Exception in thread "'],
  find(log) {
    const { lines } = log;
    const thrown = firstHit(lines, /^Exception in thread "/);
    if (thrown === undefined) return undefined;
    const at = Math.max(thrown.at, lastIndex(lines, THROWN));
    const end = lines.findLastIndex(
      (line, index) => index >= at && /^\s+(?:at |\.\.\. \d+ more)/.test(line),
    );
    return {
      title: titleOf(THROWN.exec(lines[at] ?? "")?.[1] ?? lines[at] ?? ""),
      place: frameIn(log, at, end),
      at,
      from: at,
      to: Math.min(Math.max(at, end), at + 11),
      end: Math.max(at, end),
    };
  },
};

/** A frame names only the file; its folder follows from the class. */
function frameIn(log: LogView, from: number, to: number): MatchPlace | null {
  for (const { groups } of hitsOf(log.lines.slice(from, to + 1), FRAME)) {
    const folders = (groups[1] ?? "").split(".").slice(0, -1);
    const path = [...folders, groups[2]].join("/");
    const place = placeOf(log, path, groups[3]);
    if (place !== null) return place;
  }
  return null;
}

const COMPILED =
  /^\[ERROR\] (\/[^\s:]{1,400}|[^\s:[\]]{1,400}\.(?:java|kt|scala)):\[(\d{1,7}),\d{1,7}\] (.{1,400})$/;
const TEST =
  /^\[ERROR\] (?: {2})?([\w.$]{1,300}?)(?::(\d{1,7}))?(?:->[\w.$]+:\d+)? (?:» )?(.{1,400})$/;
const PROBLEM =
  /^\[(?:ERROR|FATAL)\] (?:\[ERROR\] )?((?!\[|Some problems|Failed to execute|To see|Re-run|For more|\[Help|\s|-> |After correcting)\S.{1,400})$/;

/** Maven: compilation, then tests as surefire lists them, then its own complaints. */
export const maven: Matcher = {
  tool: "maven",
  rank: "cause",
  signs: ["[ERROR]"],
  find(log) {
    const { lines } = log;
    const end = lastIndex(lines, /^\[(?:ERROR|INFO|FATAL)\]/);
    const compiled = hitsOf(lines, COMPILED).map(
      ({ at, groups: [, path, line, message = ""] }) => ({
        at,
        title: titleOf(message),
        place: placeOf(log, path, line),
      }),
    );
    const found = compiled.length > 0 ? compiled : (testsOf(log) ?? problemsOf(log));
    const chosen = bestOf(found);
    if (chosen === undefined) return undefined;
    const { at, title, place } = chosen;
    return {
      title,
      place,
      at,
      from: at,
      to: Math.min(at + 9, lines.length - 1),
      end,
      also: othersOf(found, chosen),
    };
  },
};

function testsOf(log: LogView) {
  const listed = firstHit(log.lines, /^\[ERROR\] (?:Failures|Errors): *$/);
  if (listed === undefined) return undefined;
  const found = hitsOf(log.lines.slice(0, listed.at + 60), TEST, listed.at + 1).map(
    ({ at, groups: [, name = "", line, message = ""] }) => ({
      at,
      title: titleOf(`${name}: ${message}`),
      place: placeOf(log, `${name.split(".")[0]}.java`, line),
    }),
  );
  return found.length > 0 ? found : undefined;
}

function problemsOf(log: LogView) {
  return hitsOf(log.lines, PROBLEM).map(({ at, groups: [, said = ""] }) => {
    const number = /@ line (\d{1,7}), column/.exec(said)?.[1];
    const file = firstHit(log.lines, /\((\/[^()]{1,300}pom\.xml)\) has \d+ error/)?.groups[1];
    return {
      at,
      title: titleOf(said),
      place: number === undefined ? null : placeOf(log, file, number),
    };
  });
}
