import { titleOf } from "./matcher.ts";
import type { Match, Matcher } from "./matcher.ts";

const OPENED = /^(?:::group::|##\[group\]|(?:---|\+\+\+|~~~) (?=[\p{L}:]))(.{1,300})$/u;
/** Heads of a diff and results of go test look like markers. */
const NO_MARKER = /^--- (?:PASS|FAIL|SKIP|BENCH): |^(?:---|\+\+\+) \S+(?:\t|$|\s\d{4}-)/;
const CLOSED = /^(?:::endgroup::|##\[endgroup\])/;
const TRACED = /^\++ (\S.{0,400})$/;

/**
 * The last group of commands, as the program itself marked them or as `set -x` prints them. A step's
 * shell stops at the first command that fails, so the last one that began is it.
 */
export const lastGroup: Matcher = {
  tool: "group",
  rank: "wrapper",
  signs: ["+ ", "::group::", "##[group]", "--- ", "+++ ", "~~~ "],
  find({ lines }) {
    const traced = lines.findLastIndex((line, at) => TRACED.test(line) && !isDiff(lines, at));
    const opened = lines.findLastIndex((line) => OPENED.test(line) && !NO_MARKER.test(line));
    const at = Math.max(traced, opened);
    if (at === -1 || lines.slice(at + 1).some((line) => CLOSED.test(line))) return undefined;
    const end = lines.findLastIndex((line) => line.trim() !== "");
    return { ...groupAt(lines, at, traced === at), from: Math.max(at, end - 19), to: end, end };
  },
};

/** What is there and what was expected: `+` beside `-`. */
function isDiff(lines: readonly string[], at: number): boolean {
  return lines.slice(Math.max(0, at - 4), at + 5).some((line) => /^-(?!-)/.test(line));
}

function groupAt(
  lines: readonly string[],
  at: number,
  isTrace: boolean,
): Pick<Match, "title" | "place" | "at" | "isGuess"> {
  const name = (isTrace ? TRACED : OPENED).exec(lines[at] ?? "")?.[1] ?? "";
  return { title: titleOf(isTrace ? `failed at: ${name}` : name), place: null, at, isGuess: true };
}
