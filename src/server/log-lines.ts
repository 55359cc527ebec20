import { logRow, type LogRow } from "./log-html.ts";
import { LOG_START, LogScanner, type RowStart, type ScannedRow } from "./log-scan.ts";
import type { LogFiles, LogKey } from "./views.ts";

/** Rows between two places that reading can begin at. */
const STRIDE = 256;
const READ_BYTES = 256 * 1024;
export const ROWS_MAX = 512;
/** Markup in one answer; a row beyond it is left for the next one. */
const HTML_CHARACTERS_MAX = 1024 * 1024;
const LOGS_MAX = 32;

/** Which rows of a log are wanted; at most `ROWS_MAX` are answered. */
export type RowsWanted =
  | { readonly from: number; readonly count: number }
  | { readonly tail: number }
  | { readonly aroundLine: number; readonly count: number };

export interface RowsAnswer {
  /** Number of the first row answered, from 0. Fewer rows than asked for may follow: ask again. */
  readonly from: number;
  readonly rows: readonly LogRow[];
  /** Rows and lines of the whole log as it was when it was read. */
  readonly totalRows: number;
  readonly totalLines: number;
  readonly sizeBytes: number;
}

/** Reads any rows of a log without reading what is before them. */
export interface LogLines {
  read(log: LogKey, wanted: RowsWanted): Promise<RowsAnswer>;
}

/** Where every 256th row of a log begins, as far as the log has been read. */
interface Index {
  readonly starts: RowStart[];
  readonly scanner: LogScanner;
  rows: number;
  readBytes: number;
  lines: number;
  hasUnfinishedRow: boolean;
  extending: Promise<void>;
}

/** One log, its index, and where its bytes are. */
interface Reading {
  readonly index: Index;
  readonly logs: LogFiles;
  readonly log: LogKey;
}

/** Keeps the indexes of the logs asked for last. A log only grows, so an index never gets wrong. */
export function logLines(logs: LogFiles): LogLines {
  const indexes = new Map<string, Index>();

  const indexOf = (log: LogKey): Index => {
    const key = `${log.buildId}/${log.jobId}/${log.attempt}/${log.step}`;
    const index = indexes.get(key) ?? emptyIndex();
    indexes.delete(key);
    indexes.set(key, index);
    const oldest = indexes.size > LOGS_MAX ? indexes.keys().next().value : undefined;
    if (oldest !== undefined) indexes.delete(oldest);
    return index;
  };

  return {
    read: async (log, wanted) => {
      const index = indexOf(log);
      // One reader at a time, or two would push the same bytes.
      index.extending = index.extending.then(
        () => extend(index, logs, log),
        () => extend(index, logs, log),
      );
      await index.extending;
      return await readRows({ index, logs, log }, wanted);
    },
  };
}

function emptyIndex(): Index {
  const starts: RowStart[] = [LOG_START];
  const index: Index = {
    starts,
    scanner: new LogScanner(LOG_START, ({ start }) => {
      if (index.rows % STRIDE === 0) starts[index.rows / STRIDE] = start;
      index.rows += 1;
      index.lines = start.line;
    }),
    rows: 0,
    readBytes: 0,
    lines: 0,
    hasUnfinishedRow: false,
    extending: Promise.resolve(),
  };
  return index;
}

async function extend(index: Index, logs: LogFiles, log: LogKey): Promise<void> {
  const sizeBytes = await logs.sizeOf(log);
  while (index.readBytes < sizeBytes) {
    const bytes = await logs.read(log, index.readBytes, READ_BYTES);
    if (bytes.length === 0) break;
    index.scanner.push(bytes);
    index.readBytes += bytes.length;
  }
  const last = index.scanner.unfinished();
  index.hasUnfinishedRow = last !== undefined;
  if (last !== undefined) {
    index.lines = last.start.line;
    if (index.rows % STRIDE === 0) index.starts[index.rows / STRIDE] = last.start;
  }
}

async function readRows({ index, logs, log }: Reading, wanted: RowsWanted): Promise<RowsAnswer> {
  // Taken now: the log may grow while it is read, and the answer must agree with itself.
  const end = {
    totalRows: index.rows + (index.hasUnfinishedRow ? 1 : 0),
    totalLines: index.lines,
    sizeBytes: index.readBytes,
  };
  const reading = { index, logs, log };
  const { from, count } = await rangeOf(reading, wanted, end.totalRows);
  const range = { from, until: Math.min(end.totalRows, from + count), sizeBytes: end.sizeBytes };
  const rows: LogRow[] = [];
  let characters = 0;
  for await (const { row } of rowsOf(reading, range)) {
    characters += row.html.length;
    if (rows.length > 0 && characters > HTML_CHARACTERS_MAX) break;
    rows.push(row);
  }
  return { from, rows, ...end };
}

async function rangeOf(
  reading: Reading,
  wanted: RowsWanted,
  totalRows: number,
): Promise<{ readonly from: number; readonly count: number }> {
  if ("tail" in wanted) {
    const count = Math.min(wanted.tail, ROWS_MAX);
    return { from: Math.max(0, totalRows - count), count };
  }
  const count = Math.min(wanted.count, ROWS_MAX);
  if ("from" in wanted) return { from: Math.min(wanted.from, totalRows), count };
  const row = await rowOfLine(reading, wanted.aroundLine);
  return { from: Math.max(0, row - Math.floor(count / 2)), count };
}

/** Number of the row that a line begins with; the last row for a line that is not there. */
async function rowOfLine(reading: Reading, line: number): Promise<number> {
  const { starts, readBytes } = reading.index;
  // The line begins in the last stride that begins before it, or on its first row.
  const after = starts.findIndex((start) => start.line >= line);
  const stride = after === -1 ? starts.length - 1 : Math.max(0, after - 1);
  const from = stride * STRIDE;
  let last = from;
  const range = { from, until: from + 2 * STRIDE, sizeBytes: readBytes };
  for await (const { number, row } of rowsOf(reading, range)) {
    last = number;
    if (row.line >= line) break;
  }
  return last;
}

async function* rowsOf(
  { index, logs, log }: Reading,
  range: { readonly from: number; readonly until: number; readonly sizeBytes: number },
): AsyncGenerator<{ readonly number: number; readonly row: LogRow }> {
  let number = Math.floor(range.from / STRIDE) * STRIDE;
  const first = index.starts[number / STRIDE];
  if (first === undefined) return;
  let found: { number: number; row: LogRow }[] = [];
  const take = (scanned: ScannedRow): void => {
    if (number >= range.from && number < range.until) found.push({ number, row: logRow(scanned) });
    number += 1;
  };
  const scanner = new LogScanner(first, take);
  let at = first.offsetBytes;
  while (at < range.sizeBytes && number < range.until) {
    const bytes = await logs.read(log, at, Math.min(READ_BYTES, range.sizeBytes - at));
    if (bytes.length === 0) break;
    scanner.push(bytes);
    at += bytes.length;
    yield* found;
    found = [];
  }
  const last = number < range.until ? scanner.unfinished() : undefined;
  if (last !== undefined) take(last);
  yield* found;
}
