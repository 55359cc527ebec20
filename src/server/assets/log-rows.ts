/** Rows kept and mounted together. */
export const CHUNK_ROWS = 64;
const CHUNKS_KEPT_MAX = 64;
const ROWS_PER_FETCH = 256;

/** Number of the line (0: carries on the line before) and its markup. */
export type Row = readonly [line: number, markup: string];

interface RowsAnswer {
  readonly from: number;
  readonly totalRows: number;
  readonly totalLines: number;
  readonly rows: readonly Row[];
}

/** The part of a log that was asked for so far, and how much there is in all. */
export class LogRows {
  totalRows = 0;
  totalLines = 0;
  private readonly address: string;
  /** Chunk number → its rows; those used last are at the end. */
  private readonly chunks = new Map<number, (Row | undefined)[]>();

  constructor(address: string) {
    this.address = address;
  }

  /** A chunk's rows once all of them are here. */
  chunk(number: number): readonly Row[] | undefined {
    const rows = this.chunks.get(number);
    if (rows === undefined) return undefined;
    this.chunks.delete(number);
    this.chunks.set(number, rows);
    const wanted = this.rowsIn(number);
    const found = rows.slice(0, wanted).filter((row) => row !== undefined);
    return found.length === wanted ? found : undefined;
  }

  rowsIn(chunk: number): number {
    return Math.max(0, Math.min(CHUNK_ROWS, this.totalRows - chunk * CHUNK_ROWS));
  }

  /** Fetches the first rows that are missing in these chunks; false when there are none to get. */
  async fetchMissing(firstChunk: number, lastChunk: number, signal: AbortSignal): Promise<boolean> {
    for (let number = firstChunk; number <= lastChunk; number += 1) {
      if (this.chunk(number) !== undefined) continue;
      const known = this.chunks.get(number) ?? [];
      let hole = 0;
      while (known[hole] !== undefined) hole += 1;
      const from = number * CHUNK_ROWS + hole;
      const until = Math.min(this.totalRows, (lastChunk + 1) * CHUNK_ROWS);
      const count = Math.min(ROWS_PER_FETCH, Math.max(1, until - from));
      return (await this.ask({ from, count }, signal)).rows.length > 0;
    }
    return false;
  }

  /** Fetches the rows around a line and answers the number of its first row. */
  async fetchLine(line: number, signal: AbortSignal): Promise<number> {
    const { from, rows } = await this.ask({ line, count: 2 * CHUNK_ROWS }, signal);
    const at = rows.findIndex(([number]) => number >= line);
    return Math.max(0, from + (at === -1 ? rows.length - 1 : at));
  }

  /** Asks for rows: `from` and `count`, the last ones (`tail`), or those around a `line`. */
  async ask(query: Readonly<Record<string, number>>, signal: AbortSignal): Promise<RowsAnswer> {
    const address = new URL(this.address, location.href);
    for (const [name, value] of Object.entries(query))
      address.searchParams.set(name, String(value));
    const response = await fetch(address, { signal });
    if (!response.ok) throw new Error(`The log answered ${response.status}.`);
    const answer = (await response.json()) as RowsAnswer;
    this.take(answer);
    return answer;
  }

  private take({ from, rows, totalRows, totalLines }: RowsAnswer): void {
    // What was the last row may have had no end yet.
    if (totalRows > this.totalRows) this.forget(this.totalRows - 1);
    this.totalRows = Math.max(totalRows, this.totalRows);
    this.totalLines = Math.max(totalLines, this.totalLines);
    for (const [index, row] of rows.entries()) {
      const number = from + index;
      const chunk = Math.floor(number / CHUNK_ROWS);
      const kept = this.chunks.get(chunk) ?? [];
      kept[number % CHUNK_ROWS] = row;
      this.chunks.set(chunk, kept);
    }
    while (this.chunks.size > CHUNKS_KEPT_MAX) {
      const [oldest] = this.chunks.keys();
      if (oldest !== undefined) this.chunks.delete(oldest);
    }
  }

  private forget(row: number): void {
    const rows = this.chunks.get(Math.floor(row / CHUNK_ROWS));
    if (rows !== undefined && row >= 0) rows[row % CHUNK_ROWS] = undefined;
  }
}
