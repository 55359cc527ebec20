/** A place in a source file as a log names it. */
export interface LogPlace {
  /** As it is written, `./` and folders of containers included. */
  readonly path: string;
  readonly line: number;
  /** Where in the line of the log it stands. */
  readonly start: number;
  readonly end: number;
}

const PATH_LENGTH_MAX = 400;
const PLACES_PER_LINE_MAX = 100;

/** make repeats which of its own lines ended: a consequence, whose cause was printed before it. */
const MAKE_ENDED = /^(?:g|b)?make(?:\[\d+\])?: (?:\*\*\* |\[)/;

/**
 * The places that a line of a log names, in order: `path:12`, `path:12:5`, `path(12)`, `path(12,5)`,
 * `File "path", line 12`, `path line 12`. First the number is found and then, backwards, the path in
 * front of it: the other way round, a long line of letters would take the square of its length.
 */
export function placesOn(text: string): readonly LogPlace[] {
  if (MAKE_ENDED.test(text)) return [];
  const places: LogPlace[] = [];
  const numbers = /:(\d{1,7})(?!\d)(?::\d{1,7})?|\((\d{1,7})(?:, ?\d{1,7})?\)|\bline (\d{1,7})/g;
  for (const match of text.matchAll(numbers)) {
    if (places.length >= PLACES_PER_LINE_MAX) break;
    const line = Number(match[1] ?? match[2] ?? match[3]);
    const isWord = match[3] !== undefined;
    const path = line > 0 ? pathBefore(text, match.index, isWord) : undefined;
    if (path !== undefined) places.push({ ...path, line, end: match.index + match[0].length });
  }
  return places;
}

function pathBefore(
  text: string,
  index: number,
  isWord: boolean,
): { path: string; start: number } | undefined {
  const from = Math.max(0, index - PATH_LENGTH_MAX);
  const before = isWord ? withoutSeparator(text.slice(from, index)) : text.slice(from, index);
  if (before === undefined) return undefined;
  const quoted = quotedPath(before);
  const path = quoted ?? plainPath(before);
  const start = from + before.length - path.length - (quoted === undefined ? 0 : 2);
  const clean = path.replace(/^\/{2,}/, "/"); // What is left of file:///
  return clean === "" ? undefined : { path: clean, start };
}

/** What stands before `line 12`: a space, and perhaps a comma, a colon or a word. */
function withoutSeparator(before: string): string | undefined {
  const near = before.slice(-6);
  const separator = /(?:[,:]| on)? {1,3}$/.exec(near)?.[0];
  return separator === undefined ? undefined : before.slice(0, -separator.length);
}

const NO_PATH: ReadonlySet<string | undefined> = new Set(" \t\"'`():<>[]{},;=|");

function plainPath(before: string): string {
  let start = before.length;
  while (start > 0 && !NO_PATH.has(before[start - 1])) start -= 1;
  return before.slice(start);
}

/** A path in quotes may have spaces in it. */
function quotedPath(before: string): string | undefined {
  const quote = before.at(-1);
  if (quote !== '"' && quote !== "'" && quote !== "`") return undefined;
  const opened = before.lastIndexOf(quote, before.length - 2);
  return opened === -1 ? undefined : before.slice(opened + 1, -1);
}
