import { cutText, lastState, stripAnsi } from "./log-text.ts";

/** The end of a step's log. */
export interface LogTail {
  readonly text: string;
  /** Number, from 1, of the first line in `text`. */
  readonly firstLineNumber: number;
}

export interface LogLines {
  readonly lines: readonly string[];
  readonly firstLineNumber: number;
}

/** More than this is never looked at; callers pass no more. */
export const LOG_TAIL_CHARACTERS_MAX = 256 * 1024;
export const EXCERPT_LINES_MAX = 20;
const EXCERPT_LINE_CHARACTERS_MAX = 500;

/** The lines of the tail without escape codes, progress in its last state. */
export function linesOf({ text, firstLineNumber }: LogTail): LogLines {
  const tail = text.slice(-LOG_TAIL_CHARACTERS_MAX);
  const dropped = text.slice(0, text.length - tail.length).split("\n").length - 1;
  const lines = stripAnsi(tail).split("\n").map(lastState);
  if (lines.at(-1) === "") lines.pop(); // What follows the last line end is no line.
  return { lines, firstLineNumber: firstLineNumber + dropped };
}

/** At most 20 lines from `from` to `to`, both included; the line to blame is always among them. */
export function excerptAround(
  lines: readonly string[],
  { from, to, at }: { readonly from: number; readonly to: number; readonly at: number },
): string {
  const latest = Math.max(from, at - EXCERPT_LINES_MAX + 1);
  const start = Math.max(0, Math.min(latest, lines.length - 1));
  const end = Math.max(Math.min(to, start + EXCERPT_LINES_MAX - 1), at);
  return joinLines(lines.slice(start, end + 1));
}

export function joinLines(lines: readonly string[]): string {
  return lines
    .map((line) => cutText(line.trimEnd(), EXCERPT_LINE_CHARACTERS_MAX))
    .join("\n")
    .replace(/^\n+|\n+$/g, "");
}
