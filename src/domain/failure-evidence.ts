import { knownFailure } from "./known-failure.ts";
import type { KnownFailure } from "./known-failure.ts";
import { EXCERPT_LINES_MAX, excerptAround, joinLines, linesOf } from "./log-excerpt.ts";
import type { LogTail } from "./log-excerpt.ts";
import { logFiles } from "./log-files.ts";
import type { LogFiles } from "./log-files.ts";
import { guessedPlace, guessedTest, guessedWords } from "./log-guess.ts";
import type { GuessedFailure } from "./log-guess.ts";
import { lastGroup } from "./matchers/groups.ts";
import type { LogView, Match, MatchPlace } from "./matchers/matcher.ts";
import type { CommitTree } from "./pipeline.ts";

export type { LogTail } from "./log-excerpt.ts";

export interface OtherFailure {
  readonly title: string;
  readonly logLine: number | null;
}

export type FoundFailure =
  | {
      readonly kind: "log";
      /** The failed test, the tool's message, or what stands behind the place; null without them. */
      readonly title: string | null;
      readonly file: string | null;
      readonly line: number | null;
      readonly confidence: "high" | "medium" | "low";
      readonly excerpt: string;
      readonly logLine: number;
      readonly hint: string | null;
      readonly also: readonly OtherFailure[];
    }
  | { readonly kind: "last-lines"; readonly excerpt: string; readonly logLine: number | null };

export type FailureInLog = Extract<FoundFailure, { readonly kind: "log" }>;

/** Matchers see no more of a line. */
const LINE_CHARACTERS_MAX = 2_000;

/** What one log has to say, before it is decided which of it counts. */
interface Evidence {
  readonly lines: readonly string[];
  readonly firstLineNumber: number;
  readonly files: LogFiles;
  readonly known: KnownFailure | undefined;
  readonly guess: GuessedFailure | undefined;
  readonly group: Match | undefined;
}

/**
 * The first that applies: the words of a known tool that ended the step; a place in a file of the
 * commit, with the failed test next to it; the last group of commands; words of a known tool after
 * which the step went on; a failed test without a place; words that sound like the reason; the last
 * lines.
 */
export function findFailure(
  log: LogTail,
  tree: Pick<CommitTree, "has" | "files"> | undefined,
): FoundFailure {
  const evidence = evidenceIn(log, tree);
  const { known, lines, firstLineNumber } = evidence;
  if (known?.isLast)
    return known.rank === "wrapper" ? wrapped(known, evidence) : told(known, evidence);
  return (
    laterThan(known?.match.end ?? -1, evidence) ??
    (known && told(known, evidence)) ??
    (tree && guessed(guessedTest(lines) ?? guessedWords(lines), evidence)) ??
    lastLines(lines, firstLineNumber)
  );
}

/** The end of a log as it is, for a fault that needs no other evidence. */
export function endOfLog(log: LogTail, part: LogPart = {}): FoundFailure {
  const { lines, firstLineNumber } = linesOf(log);
  return lastLines(lines, firstLineNumber, part);
}

/** Which lines of a log's end are worth showing. */
export interface LogPart {
  readonly linesMax?: number;
  /** Nothing before the last such line is shown. */
  readonly isStart?: (line: string) => boolean;
}

function evidenceIn(log: LogTail, tree: Pick<CommitTree, "has" | "files"> | undefined): Evidence {
  const { lines, firstLineNumber } = linesOf(log);
  const files = logFiles(tree ?? { has: () => false, files: () => [] });
  const view: LogView = {
    lines: lines.map((line) => line.slice(0, LINE_CHARACTERS_MAX).trimEnd()),
    fileOf: files.any,
    onlyFile: files.only,
  };
  return {
    lines,
    firstLineNumber,
    files,
    known: knownFailure(view),
    guess: tree && guessedPlace(lines, files),
    group: lastGroup.find(view),
  };
}

/** What the log goes on to say after the words of a known tool, if any. */
function laterThan(end: number, evidence: Evidence): FoundFailure | undefined {
  const { guess, group } = evidence;
  const isPlaceLater = guess !== undefined && guess.at > end;
  if (isPlaceLater && guess.at > (group?.at ?? -1)) return guessed(guess, evidence);
  if (group === undefined || group.at <= end) return undefined;
  return ofMatch(group, "medium", evidence);
}

function told({ match: found, isLast, inside }: KnownFailure, evidence: Evidence): FoundFailure {
  const match = inside === null ? found : { ...found, title: `${inside}: ${found.title}` };
  const placed = match.place === null ? { ...match, place: placeNear(match, evidence) } : match;
  return ofMatch(placed, isLast && !match.isGuess ? "high" : "medium", evidence);
}

/** Tests that print the place in words of their own print it with the failure. */
function placeNear({ from, to }: Match, { lines, files }: Evidence): MatchPlace | null {
  const near = guessedPlace(lines.slice(from, to + 1), files);
  return near?.file ? { file: near.file, line: near.line } : null;
}

/**
 * A tool that only repeats that something it ran has failed. A place or a failed test in what it ran
 * says more.
 */
function wrapped({ match, tool }: KnownFailure, evidence: Evidence): FoundFailure {
  const { lines, files } = evidence;
  const from = Math.max(match.from, match.at - 60);
  const inside = lines.slice(0, match.end + 1).map((line, at) => (at < from ? "" : line));
  const guess = guessedPlace(inside, files) ?? guessedTest(inside);
  const isConsequence =
    guess === undefined || (guess.file === match.place?.file && guess.line === match.place.line);
  if (isConsequence) return ofMatch(match, "medium", evidence);
  const found = guessed(guess, evidence);
  if (found?.kind !== "log") return ofMatch(match, "medium", evidence);
  const confidence = found.confidence === "high" ? "high" : "medium";
  const title = tool === "ctest" ? match.title : (found.title ?? match.title);
  return { ...found, title, confidence };
}

function ofMatch(
  match: Match,
  confidence: "high" | "medium",
  { lines, firstLineNumber }: Evidence,
): FoundFailure {
  return {
    kind: "log",
    title: match.title,
    file: match.place?.file ?? null,
    line: match.place?.line ?? null,
    confidence,
    excerpt: excerptAround(lines, match),
    logLine: firstLineNumber + match.at,
    hint: match.hint ?? null,
    also: (match.also ?? []).map(({ title, at }) => ({ title, logLine: firstLineNumber + at })),
  };
}

function guessed(
  guess: GuessedFailure | undefined,
  { firstLineNumber }: Evidence,
): FoundFailure | undefined {
  if (guess === undefined) return undefined;
  const { title, file, line, confidence, excerpt, at } = guess;
  const logLine = firstLineNumber + at;
  return { kind: "log", title, file, line, confidence, excerpt, logLine, hint: null, also: [] };
}

function lastLines(
  lines: readonly string[],
  firstLineNumber: number,
  { linesMax = EXCERPT_LINES_MAX, isStart = () => false }: LogPart = {},
): FoundFailure {
  const last = lines.findLastIndex((line) => line.trim() !== "");
  const from = Math.max(0, last + 1 - linesMax, lines.findLastIndex(isStart));
  const excerpt = joinLines(lines.slice(from, last + 1));
  return { kind: "last-lines", excerpt, logLine: last === -1 ? null : firstLineNumber + last };
}
