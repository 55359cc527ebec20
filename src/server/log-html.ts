import { LOG_START, LogScanner, type ScannedRow } from "./log-scan.ts";
import { escapeVisibly } from "./pages/html.ts";
import { classesOf } from "./sgr.ts";

/** A row of a log as it is shown. */
export interface LogRow {
  readonly line: number;
  /** True for a row that carries on the line of the row before. */
  readonly isContinued: boolean;
  /** Text with colours as classes: no element but `span` and `b`, no attribute but `class`. */
  readonly html: string;
}

/** Bytes that are no UTF-8 become U+FFFD. */
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

export function logRow(row: ScannedRow): LogRow {
  const { line, isContinued } = row.start;
  let html = "";
  for (const [index, { at, style }] of row.runs.entries()) {
    const bytes = row.text.subarray(at, row.runs[index + 1]?.at ?? row.text.length);
    if (bytes.length === 0) continue;
    const text = escapeVisibly(UTF8.decode(bytes));
    const classes = classesOf(style);
    html += classes === "" ? text : `<span class="${classes}">${text}</span>`;
  }
  return { line, isContinued, html };
}

/** All rows of a whole log that fits into memory. */
export function logRows(...chunks: readonly Uint8Array[]): readonly LogRow[] {
  const rows: LogRow[] = [];
  const scanner = new LogScanner(LOG_START, (row) => rows.push(logRow(row)));
  for (const chunk of chunks) scanner.push(chunk);
  const last = scanner.unfinished();
  if (last !== undefined) rows.push(logRow(last));
  return rows;
}
