import { cutText } from "../log-text.ts";

/** The end of a step's log as matchers see it: plain text, lines of bounded length. */
export interface LogView {
  readonly lines: readonly string[];
  /** The file of the commit that a written path means, if there is one. */
  fileOf(written: string): string | undefined;
  /** The only file of the commit with this extension. */
  onlyFile(extension: string): string | undefined;
}

/** What a matcher found. Indexes are those of `LogView.lines`. */
export interface Match {
  readonly title: string;
  readonly place: MatchPlace | null;
  /** The line to blame. */
  readonly at: number;
  /** Lines worth showing, both included. */
  readonly from: number;
  readonly to: number;
  /** The last line that belongs to this failure, the tool's own summary included. */
  readonly end: number;
  readonly hint?: string | null;
  readonly also?: readonly OtherMatch[];
  /** Something that only looks like a failure of this tool is no reason to be sure. */
  readonly isGuess?: boolean;
}

export interface MatchPlace {
  readonly file: string;
  readonly line: number | null;
}

export interface OtherMatch {
  readonly title: string;
  readonly at: number;
}

/**
 * Finds the failure of one tool in a log. `signs` are texts of which the log must hold one, which
 * keeps long logs quick. A *cause* is a tool that saw the mistake itself, a *crash* says where a program
 * broke off, a *wrapper* only repeats that something that it ran has failed.
 */
export interface Matcher {
  readonly tool: string;
  readonly rank: "cause" | "crash" | "wrapper";
  readonly signs: readonly string[];
  find(log: LogView): Match | undefined;
}

export const EXCERPT_LINES_MAX = 20;
const TITLE_LENGTH_MAX = 300;
const HITS_MAX = 500;
export const ALSO_MAX = 20;

export interface Hit {
  readonly at: number;
  readonly groups: readonly (string | undefined)[];
}

/** Lines that a pattern fits, at most 500 of them. */
export function hitsOf(lines: readonly string[], pattern: RegExp, from = 0): readonly Hit[] {
  const hits: Hit[] = [];
  for (let at = from; at < lines.length && hits.length < HITS_MAX; at++) {
    const found = pattern.exec(lines[at] ?? "");
    if (found) hits.push({ at, groups: found });
  }
  return hits;
}

export function firstHit(
  lines: readonly string[],
  pattern: RegExp,
  from = 0,
  to = lines.length,
): Hit | undefined {
  for (let at = Math.max(0, from); at < Math.min(to, lines.length); at++) {
    const found = pattern.exec(lines[at] ?? "");
    if (found) return { at, groups: found };
  }
  return undefined;
}

/** Index of the last line that fits; -1 when none does. */
export function lastIndex(lines: readonly string[], pattern: RegExp): number {
  return lines.findLastIndex((line) => pattern.test(line));
}

/** Goes on from `from` while lines fit, at most 200 lines; the last one that does. */
export function whileFits(lines: readonly string[], from: number, pattern: RegExp): number {
  let end = from;
  while (end + 1 < lines.length && end - from < 200 && pattern.test(lines[end + 1] ?? "")) end += 1;
  return end;
}

export function placeOf(
  log: LogView,
  path: string | undefined,
  line?: string | number,
): MatchPlace | null {
  const file = path === undefined ? undefined : log.fileOf(path);
  return file === undefined ? null : { file, line: line === undefined ? null : Number(line) };
}

export function titleOf(text: string): string {
  return cutText(text.trim().replace(/\s+/g, " "), TITLE_LENGTH_MAX);
}

/** The first hit whose file is in the commit, or else the first of all. */
export function bestOf<T extends { readonly place: MatchPlace | null }>(
  found: readonly T[],
): T | undefined {
  return found.find(({ place }) => place !== null) ?? found[0];
}

/** The others, as the card lists them; a title that stands there already says nothing new. */
export function othersOf(found: readonly OtherMatch[], chosen: OtherMatch): readonly OtherMatch[] {
  const seen = new Set([chosen.title]);
  const others: OtherMatch[] = [];
  for (const { title, at } of found) {
    if (others.length >= ALSO_MAX) break;
    if (seen.has(title)) continue;
    seen.add(title);
    others.push({ title, at });
  }
  return others;
}

/** ` and 2 more` */
export function andMore(count: number): string {
  return count === 0 ? "" : ` and ${count} more`;
}
