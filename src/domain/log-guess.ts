import { isConsequence } from "./log-consequences.ts";
import type { LogFiles } from "./log-files.ts";
import { EXCERPT_LINES_MAX, joinLines } from "./log-excerpt.ts";
import { placesOn } from "./log-places.ts";
import { cutText } from "./log-text.ts";
import { testTitle } from "./log-titles.ts";

/** A failure of a tool that we do not know: a place, the failed test next to it, or one of both. */
export interface GuessedFailure {
  readonly title: string | null;
  readonly file: string | null;
  readonly line: number | null;
  /** Index of the line to blame. */
  readonly at: number;
  readonly excerpt: string;
  readonly confidence: "high" | "medium" | "low";
}

/** A title and a place this close surely belong together … */
const CLOSE_LINES = 10;
/** … and farther apart than this they do not. */
const NEAR_LINES_MAX = 200;

/** The last place in the log whose file is in the commit, and the failed test nearest to it. */
export function guessedPlace(
  lines: readonly string[],
  files: LogFiles,
): GuessedFailure | undefined {
  const place =
    lastPlace(lines, { isExact: true, find: files.exactly }) ??
    lastPlace(lines, { isExact: false, find: files.byName });
  return place && failureAt(place, lines);
}

/** The last line that names a failed test. */
export function guessedTest(lines: readonly string[]): GuessedFailure | undefined {
  const at = lines.findLastIndex((line) => testTitle(line) !== undefined);
  const title = testTitle(lines[at] ?? "");
  if (title === undefined) return undefined;
  const excerpt = excerptOf(lines, at);
  return { title, file: null, line: null, at, excerpt, confidence: "low" };
}

/** `fatal: not a git repository`, `jq: error: …`, `curl: (7) …`: the last words of a program. */
const LAST_WORDS =
  /^(?:\[?(?:fatal|FATAL|error|ERROR|Error|parse error|E)\]?: ?\S|[\w.+-]{1,40}: (?:error|fatal|cannot|can't|could not|failed|unable|invalid|unrecognized|missing|\(\d+\)) ?\S|[\w.+-]{1,40}: .{1,200}: (?:No such file or directory|Permission denied|Is a directory|Not a directory|File exists|Connection refused|No space left on device|Disk quota exceeded|Too many open files|Argument list too long|Cannot allocate memory|Resource temporarily unavailable)$)/;
const LAST_WORDS_LINES = 5;

/** What a program said just before the step ended, if it sounds like the reason. */
export function guessedWords(lines: readonly string[]): GuessedFailure | undefined {
  const last = lines.findLastIndex((line) => line.trim() !== "");
  const from = Math.max(0, last - LAST_WORDS_LINES + 1);
  const at = lines.findIndex(
    (line, index) => index >= from && LAST_WORDS.test(line.slice(0, 300)) && !isConsequence(line),
  );
  if (at === -1) return undefined;
  const excerpt = joinLines(lines.slice(Math.max(0, last - EXCERPT_LINES_MAX + 1), last + 1));
  const title = cutText((lines[at] ?? "").trim(), 300);
  return { title, file: null, line: null, at, excerpt, confidence: "low" };
}

interface FoundPlace {
  readonly index: number;
  readonly file: string;
  readonly line: number;
  /** What stands behind the place on a line that starts with it, as compilers write. */
  readonly message: string | null;
  readonly isExact: boolean;
}

interface FileFinder {
  readonly isExact: boolean;
  find(written: string): string | undefined;
}

/** A warning is not what ended a step, nor is a remark on an error. */
const REMARK = /^[^\s:][^:]{0,400}:\d{1,7}:(?:\d{1,7}:)? *(?:warning|note|info|style|remark)\b/;

function lastPlace(lines: readonly string[], finder: FileFinder): FoundPlace | undefined {
  for (let index = lines.length - 1; index >= 0; index--) {
    const text = lines[index] ?? "";
    if (REMARK.test(text) || isExpected(lines[index - 1] ?? "")) continue;
    for (const place of placesOn(text).toReversed()) {
      const file = finder.find(place.path);
      if (file === undefined) continue;
      const isAtStart = text.slice(0, place.start).trim() === "";
      const message = isAtStart ? messageAfter(text.slice(place.end)) : null;
      return { index, file, line: place.line, message, isExact: finder.isExact };
    }
  }
  return undefined;
}

/** Test::More names the place of a failure that it was told to expect. */
function isExpected(lineAbove: string): boolean {
  return lineAbove.startsWith("#   Failed (TODO)");
}

function messageAfter(rest: string): string | null {
  const message = cutText(rest.replace(/^[\s:\-)]+/, "").trimEnd(), 300);
  return /\p{L}/u.test(message) ? message : null;
}

function failureAt(place: FoundPlace, lines: readonly string[]): GuessedFailure {
  const titleIndex = nearestTitle(lines, place.index);
  const isClose = titleIndex !== undefined && Math.abs(titleIndex - place.index) <= CLOSE_LINES;
  const title = titleIndex === undefined ? undefined : testTitle(lines[titleIndex] ?? "");
  return {
    title: title ?? place.message,
    file: place.file,
    line: place.line,
    at: place.index,
    excerpt: excerptOf(lines, place.index, titleIndex),
    confidence: isClose && place.isExact ? "high" : "medium",
  };
}

/**
 * The line that names a failed test, next to `from`. Most runners print the name above the place; when
 * two are equally near, the log's own habit decides: does its first place come before its first name?
 */
function nearestTitle(lines: readonly string[], from: number): number | undefined {
  const isTitle = (index: number): boolean => testTitle(lines[index] ?? "") !== undefined;
  for (let distance = 0; distance <= NEAR_LINES_MAX; distance++) {
    const isAbove = isTitle(from - distance);
    const isBelow = isTitle(from + distance);
    if (isAbove && isBelow) return from + (namesComeLast(lines) ? distance : -distance);
    if (isAbove) return from - distance;
    if (isBelow) return from + distance;
  }
  return undefined;
}

function namesComeLast(lines: readonly string[]): boolean {
  const firstTitle = lines.findIndex((line) => testTitle(line) !== undefined);
  const firstPlace = lines.findIndex((line) => placesOn(line).length > 0);
  return firstPlace < firstTitle;
}

/** At most 20 lines with the place in them, and the title if it is near enough. */
function excerptOf(lines: readonly string[], place: number, title: number = place): string {
  const isTogether = Math.abs(title - place) < EXCERPT_LINES_MAX;
  const above = title > place ? EXCERPT_LINES_MAX - 1 - (title - place) : 0;
  const lone = Math.floor(EXCERPT_LINES_MAX / 2);
  const wanted = isTogether && title !== place ? Math.min(title, place) - above : place - lone;
  const start = Math.max(0, Math.min(wanted, lines.length - 1));
  return joinLines(lines.slice(start, start + EXCERPT_LINES_MAX));
}
