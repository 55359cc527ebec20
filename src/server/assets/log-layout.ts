import { CHUNK_ROWS } from "./log-rows.ts";

/** Taller than this no browser lays anything out; beyond it the scroll bar is a scale model. */
const HEIGHT_MAX = 10_000_000;

/**
 * Where each chunk of rows stands. Heights are estimated until a chunk was mounted and measured.
 * Two kinds of pixels: *true* ones, as tall as the rows are, and those of the scroll bar.
 */
export class LogLayout {
  rowHeight = 20;
  private totalRows = 0;
  private readonly measured = new Map<number, number>();
  private tops: number[] = [0];
  private isStale = true;

  setRows(totalRows: number): void {
    if (totalRows === this.totalRows) return;
    const lastBefore = Math.floor(Math.max(0, this.totalRows - 1) / CHUNK_ROWS);
    this.measured.delete(lastBefore);
    this.totalRows = totalRows;
    this.isStale = true;
  }

  /** Answers how much taller the chunk is than was thought. */
  measure(chunk: number, height: number): number {
    const before = this.heightOf(chunk);
    if (Math.abs(before - height) < 0.5) return 0;
    this.measured.set(chunk, height);
    this.isStale = true;
    return height - before;
  }

  /** After a change of width or wrapping nothing measured is true any more. */
  forgetHeights(rowHeight: number): void {
    this.rowHeight = rowHeight;
    this.measured.clear();
    this.isStale = true;
  }

  get chunkCount(): number {
    return Math.ceil(this.totalRows / CHUNK_ROWS);
  }

  topOf(chunk: number): number {
    this.refresh();
    return this.tops[Math.min(chunk, this.chunkCount)] ?? 0;
  }

  get trueHeight(): number {
    return this.topOf(this.chunkCount);
  }

  get barHeight(): number {
    return Math.min(this.trueHeight, HEIGHT_MAX);
  }

  /** The true position of the window's upper edge for a position of the scroll bar. */
  trueTop(barTop: number, windowHeight: number): number {
    return barTop / this.scale(windowHeight);
  }

  barTop(trueTop: number, windowHeight: number): number {
    return trueTop * this.scale(windowHeight);
  }

  /** Number of the chunk that stands at a true position. */
  chunkAt(trueTop: number): number {
    this.refresh();
    let low = 0;
    let high = Math.max(0, this.chunkCount - 1);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.tops[middle] ?? 0) <= trueTop) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private scale(windowHeight: number): number {
    const room = this.trueHeight - windowHeight;
    return room <= 0 ? 1 : Math.min(1, (this.barHeight - windowHeight) / room);
  }

  private heightOf(chunk: number): number {
    const rows = Math.min(CHUNK_ROWS, this.totalRows - chunk * CHUNK_ROWS);
    return this.measured.get(chunk) ?? rows * this.rowHeight;
  }

  private refresh(): void {
    if (!this.isStale) return;
    this.isStale = false;
    const tops = [0];
    let top = 0;
    for (let chunk = 0; chunk < this.chunkCount; chunk += 1) {
      top += this.heightOf(chunk);
      tops.push(top);
    }
    this.tops = tops;
  }
}
