import { cutText, lastState, stripAnsi } from "./log-text.ts";
import type { CommitTree } from "./pipeline.ts";
import { placesOn } from "./log-places.ts";
import { testTitle } from "./log-titles.ts";
import { baseName, pathInRepo } from "./repo-path.ts";

/** The end of a step's log. */
export interface LogTail {
  readonly text: string;
  /** Number, from 1, of the first line in `text`. */
  readonly firstLineNumber: number;
}

export type FoundFailure =
  | {
      readonly kind: "log";
      /** The failed test, or what stands behind the place; null when neither is there. */
      readonly title: string | null;
      readonly file: string | null;
      readonly line: number | null;
      readonly confidence: "high" | "medium" | "low";
      readonly excerpt: string;
      readonly logLine: number;
    }
  | { readonly kind: "last-lines"; readonly excerpt: string; readonly logLine: number | null };

/** More than this is never looked at; callers pass no more. */
export const LOG_TAIL_CHARACTERS_MAX = 256 * 1024;
const EXCERPT_LINES_MAX = 20;
const EXCERPT_LINE_CHARACTERS_MAX = 500;
/** A title and a place this close surely belong together … */
const CLOSE_LINES = 10;
/** … and farther apart than this they do not. */
const NEAR_LINES_MAX = 200;

/**
 * Looks for the last place in the log whose file is in the commit, and for the failed test nearest to
 * it. Without a place, a failed test alone still says more than the last lines do.
 */
export function findFailure(
  log: LogTail,
  tree: Pick<CommitTree, "has" | "files"> | undefined,
): FoundFailure {
  const { lines, firstLineNumber } = linesOf(log);
  const place = tree && (lastPlace(lines, exactly(tree)) ?? lastPlace(lines, byName(tree)));
  if (place !== undefined) return failureAt(place, lines, firstLineNumber);

  const titleIndex = tree ? lines.findLastIndex((line) => testTitle(line) !== undefined) : -1;
  const title = testTitle(lines[titleIndex] ?? "");
  if (title === undefined) return lastLines(lines, firstLineNumber);
  return {
    kind: "log",
    title,
    file: null,
    line: null,
    confidence: "low",
    excerpt: excerptOf(lines, titleIndex),
    logLine: firstLineNumber + titleIndex,
  };
}

interface Lines {
  readonly lines: readonly string[];
  readonly firstLineNumber: number;
}

function linesOf({ text, firstLineNumber }: LogTail): Lines {
  const tail = text.slice(-LOG_TAIL_CHARACTERS_MAX);
  const dropped = text.slice(0, text.length - tail.length).split("\n").length - 1;
  const lines = stripAnsi(tail).split("\n").map(lastState);
  if (lines.at(-1) === "") lines.pop(); // What follows the last line end is no line.
  return { lines, firstLineNumber: firstLineNumber + dropped };
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

/** Paths as they are in the commit, seen from the workspace or from rpmbuild's folder. */
function exactly(tree: Pick<CommitTree, "has">): FileFinder {
  return {
    isExact: true,
    find: (written) => candidates(written).find((path) => tree.has(path)),
  };
}

/** rpmbuild unpacks the sources there, in one folder or, since rpm 4.20, in two. */
const BUILD_FOLDER = /(?:^|\/)BUILD\/[^/]+\//;

function candidates(written: string): readonly string[] {
  const build = BUILD_FOLDER.exec(written);
  const inside = build ? written.slice(build.index + build[0].length) : undefined;
  return [
    written.replace(/^\/+workspace\//, ""),
    ...(inside === undefined ? [] : [inside, inside.replace(/^[^/]*\//, "")]),
  ].flatMap((path) => pathInRepo(path) ?? []);
}

/** Some runners print the name of a file without its folder: it counts if only one has that name. */
function byName(tree: Pick<CommitTree, "files">): FileFinder {
  let pathOf: Map<string, string | undefined> | undefined;
  return {
    isExact: false,
    find: (written) => {
      if (written.includes("/") || !written.includes(".")) return undefined;
      pathOf ??= uniqueNames(tree.files());
      return pathOf.get(written);
    },
  };
}

function uniqueNames(files: readonly string[]): Map<string, string | undefined> {
  const pathOf = new Map<string, string | undefined>();
  for (const path of files) {
    const name = baseName(path);
    pathOf.set(name, pathOf.has(name) ? undefined : path);
  }
  return pathOf;
}

function lastPlace(lines: readonly string[], finder: FileFinder): FoundPlace | undefined {
  for (let index = lines.length - 1; index >= 0; index--) {
    const text = lines[index] ?? "";
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

function messageAfter(rest: string): string | null {
  const message = cutText(rest.replace(/^[\s:\-)]+/, "").trimEnd(), 300);
  return /\p{L}/u.test(message) ? message : null;
}

function failureAt(
  place: FoundPlace,
  lines: readonly string[],
  firstLineNumber: number,
): FoundFailure {
  const titleIndex = nearestTitle(lines, place.index);
  const isClose = titleIndex !== undefined && Math.abs(titleIndex - place.index) <= CLOSE_LINES;
  const title = titleIndex === undefined ? undefined : testTitle(lines[titleIndex] ?? "");
  return {
    kind: "log",
    title: title ?? place.message,
    file: place.file,
    line: place.line,
    confidence: isClose && place.isExact ? "high" : "medium",
    excerpt: excerptOf(lines, place.index, titleIndex),
    logLine: firstLineNumber + place.index,
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
  return joined(lines.slice(start, start + EXCERPT_LINES_MAX));
}

function lastLines(lines: readonly string[], firstLineNumber: number): FoundFailure {
  const last = lines.findLastIndex((line) => line.trim() !== "");
  const excerpt = joined(lines.slice(Math.max(0, last + 1 - EXCERPT_LINES_MAX), last + 1));
  return { kind: "last-lines", excerpt, logLine: last === -1 ? null : firstLineNumber + last };
}

function joined(lines: readonly string[]): string {
  return lines
    .map((line) => cutText(line.trimEnd(), EXCERPT_LINE_CHARACTERS_MAX))
    .join("\n")
    .replace(/^\n+|\n+$/g, "");
}
