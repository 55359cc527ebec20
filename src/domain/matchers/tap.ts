import { hitsOf, lastIndex, othersOf, placeOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, MatchPlace, Matcher } from "./matcher.ts";
import { frameIn } from "./stack.ts";

const NOT_OK = /^( *)not ok\b *(\d{1,6})?(?: -)? *(.{0,400})$/;
const PLAN = /^ *1\.\.\d+/;
const OK = /^ *(?:not )?ok\b/;
/** bats: `# (in test file tests/greet.bats, line 11)`; Test::More: `#   at t/greet.t line 3.` */
const COMMENT =
  /^ *# .{0,200}?(?:\(in test file|from function .{1,200} in (?:test )?file|in file|at) ([^\s,][^,]{0,400}?),? line (\d{1,7})/;
const LOCATION = /^ *location: '(?:file:\/\/)?(.{1,400}):(\d{1,7}):\d{1,7}'$/;

/** The Test Anything Protocol, as bats, node:test, Test::More and tape speak it. */
export const tap: Matcher = {
  tool: "tap",
  rank: "cause",
  signs: ["not ok"],
  find(log) {
    const hits = hitsOf(log.lines, NOT_OK).filter(({ groups }) => isReal(groups[3] ?? ""));
    if (hits.length === 0 || lastIndex(log.lines, PLAN) === -1) return undefined;
    const found = hits.map((hit) => foundOf(log, hit)).filter((one) => !isGroup(log, one));
    // A group that failed because a test in it did follows that test: the first is the cause.
    const [first] = found;
    if (first === undefined) return undefined;
    return {
      title: first.title,
      place: first.place,
      at: first.at,
      from: first.at,
      to: first.to,
      end: endOf(log.lines, hits.at(-1)?.at ?? first.at),
      also: othersOf(found, first),
    };
  },
};

function isReal(name: string): boolean {
  return !/# *(?:todo|skip)\b/i.test(name);
}

function foundOf(log: LogView, { at, groups: [, , number = "", name = ""] }: Hit) {
  const to = blockEnd(log.lines, at);
  const said = name.replace(/ # (?:time|duration).*$/i, "").trim();
  return { at, to, title: titleOf(said || `test ${number}`), place: placeIn(log, at, to) };
}

/** node:test repeats that a test of a group failed. */
function isGroup(log: LogView, { at, to }: { readonly at: number; readonly to: number }): boolean {
  return log.lines.slice(at, to + 1).some((line) => /^ *failureType: 'subtestsFailed'$/.test(line));
}

/** The lines that explain a result follow it, indented or as comments. */
function blockEnd(lines: readonly string[], at: number): number {
  let end = at;
  while (end + 1 < lines.length && end - at < 60) {
    const next = lines[end + 1] ?? "";
    if (
      OK.test(next) ||
      PLAN.test(next) ||
      /^ *# (?:Subtest:|(?:tests|suites|pass|fail) \d|Looks like)/.test(next)
    )
      break;
    if (!/^(?: |#|$)/.test(next)) break;
    end += 1;
  }
  return end;
}

function placeIn(log: LogView, at: number, to: number): MatchPlace | null {
  const block = log.lines.slice(at, to + 1);
  const [comment] = hitsOf(block, COMMENT);
  const stack = frameIn(log, at, to);
  const [location] = hitsOf(block, LOCATION);
  return (
    placeOf(log, comment?.groups[1], comment?.groups[2]) ??
    stack ??
    placeOf(log, location?.groups[1], location?.groups[2])
  );
}

/** After the last failure TAP goes on with results, comments, plans and what explains them. */
function endOf(lines: readonly string[], last: number): number {
  let end = last;
  for (let index = last; index < lines.length; index++) {
    if (!/^(?:\s|#|ok\b|not ok\b|1\.\.\d|$)/.test(lines[index] ?? "")) break;
    end = index;
  }
  return end;
}
