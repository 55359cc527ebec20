import { cutText } from "../domain/log-text.ts";
import type { PipelineProblem, PipelineProblemCode } from "../domain/pipeline-problem.ts";

/** Where something stands in the file: line and column from 1, and how much to underline there. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** A mistake in the text, from where to where as offsets. */
export interface TextMistake {
  readonly code: PipelineProblemCode;
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly hint: string;
}

export type PlaceOf = (start: number, end: number) => Place;

/** Turns offsets into places. What is underlined ends with its first line. */
export function placesIn(text: string): PlaceOf {
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) {
    lineStarts.push(at + 1);
  }
  return (start, end) => {
    const line = countUpTo(lineStarts, start);
    const lineStart = lineStarts[line - 1] ?? 0;
    const lineEnd = (lineStarts[line] ?? text.length + 1) - 1;
    const underlined = text.slice(start, Math.min(end, lineEnd)).trimEnd();
    return { line, column: start - lineStart + 1, length: Math.max(1, underlined.length) };
  };
}

/** What is wrong, wherever it stands. */
export interface Finding {
  readonly code: PipelineProblemCode;
  readonly message: string;
  readonly hint: string;
  readonly isWarning?: true;
}

export function problemAt(place: Place, finding: Finding): PipelineProblem {
  const { line, column, length } = place;
  const { code, message, hint, isWarning = false } = finding;
  return { code, line, column, length, message, hint, isWarning };
}

/** The place of a part of a text; of the whole text where quotes or escapes hide the part. */
export function placeInside(
  source: { readonly text: string; readonly placeOf: PlaceOf },
  text: { readonly at: Place; readonly start: number; readonly end: number },
  part: string,
): Place {
  const start = source.text.indexOf(part, text.start);
  const end = start + part.length;
  return start === -1 || end > text.end ? text.at : source.placeOf(start, end);
}

/** A name from the file as a message quotes it: on one line, and not longer than it helps. */
export function quoted(text: string): string {
  return JSON.stringify(cutText(text, NAME_SHOWN_MAX));
}

const NAME_SHOWN_MAX = 100;

/** How many of the sorted numbers are at most `limit`. */
function countUpTo(sorted: readonly number[], limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((sorted[middle] ?? Infinity) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
