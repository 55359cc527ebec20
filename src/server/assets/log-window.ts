import { LogLayout } from "./log-layout.ts";
import { logRowMarkup } from "./log-row.ts";
import { CHUNK_ROWS, type LogRows } from "./log-rows.ts";
import { parseMarkup } from "./markup.ts";

/** Drawn above and below the window, so that a turn of the wheel meets no blank. */
const MARGIN_PX = 500;
const ROWS_ABOVE_TARGET = 10;
const AT_END_PX = 24;

/** Lines that the address names: `#L120` or `#L120-L140`. */
export type Lines = readonly [first: number, last: number];

/** The rows around what is seen of a log: mounts a few chunks, and keeps the reader's place. */
export class LogWindow {
  private readonly body: HTMLElement;
  private readonly layout = new LogLayout();
  private readonly sizer = document.createElement("div");
  private readonly mounted = new Map<number, HTMLElement>();
  private hits: Lines | undefined;
  private width = 0;

  constructor(body: HTMLElement) {
    this.body = body;
    this.sizer.className = "log-sizer";
  }

  get isAtEnd(): boolean {
    const { scrollTop, clientHeight, scrollHeight } = this.body;
    return scrollTop + clientHeight >= scrollHeight - AT_END_PX;
  }

  /** The chunks that are seen, or nearly. */
  chunksInView(): readonly [first: number, last: number] {
    const top = this.trueTop;
    return [
      this.layout.chunkAt(Math.max(0, top - MARGIN_PX)),
      this.layout.chunkAt(top + this.body.clientHeight + MARGIN_PX),
    ];
  }

  /** Mounts the chunks near the window, and nothing else. */
  draw(rows: LogRows, keepEnd: boolean): void {
    if (rows.totalRows === 0) return;
    this.replaceServersRows();
    this.layout.setRows(rows.totalRows);
    this.sizer.style.height = `${this.layout.barHeight}px`;
    const digits = String(Math.max(10, rows.totalLines)).length;
    this.sizer.style.setProperty("--digits", String(digits));
    if (keepEnd) this.scrollToEnd();
    const [first, last] = this.chunksInView();
    for (const [number, element] of this.mounted) {
      if (number >= first && number <= last) continue;
      element.remove();
      this.mounted.delete(number);
    }
    for (let number = first; number <= last; number += 1) this.mount(rows, number);
    this.settle(keepEnd);
  }

  /** Brings a line, which is in that row, near the upper edge. */
  showLine(rows: LogRows, line: number, row: number): void {
    this.replaceServersRows();
    this.layout.setRows(rows.totalRows);
    const { rowHeight } = this.layout;
    const chunkTop = this.layout.topOf(Math.floor(row / CHUNK_ROWS));
    this.scrollTo(chunkTop + ((row % CHUNK_ROWS) - ROWS_ABOVE_TARGET) * rowHeight);
    this.draw(rows, false);
    // Rows above may have turned out taller than thought: correct by what is on the screen.
    const shown = this.sizer.querySelector(`#L${line}`)?.getBoundingClientRect();
    if (shown === undefined) return;
    const wanted = this.body.getBoundingClientRect().top + ROWS_ABOVE_TARGET * rowHeight;
    this.scrollTo(this.trueTop + shown.top - wanted);
    this.draw(rows, false);
  }

  mark(lines: Lines | undefined): void {
    this.hits = lines;
    const [first, last] = lines ?? [0, 0];
    for (const row of this.sizer.querySelectorAll("[id]")) {
      const line = Number(row.id.slice(1));
      row.classList.toggle("hit", line >= first && line <= last);
    }
  }

  scrollToEnd(): void {
    this.body.scrollTop = this.body.scrollHeight;
  }

  /** After another width or another way of wrapping, keeps the row at the upper edge there. */
  remeasure(rows: LogRows, keepEnd: boolean): void {
    if (!this.sizer.isConnected) return;
    const isNarrower = this.body.clientWidth !== this.width;
    this.width = this.body.clientWidth;
    if (isNarrower) this.forgetHeights();
    this.draw(rows, keepEnd);
  }

  forgetHeights(): void {
    const chunk = this.layout.chunkAt(this.trueTop);
    this.layout.forgetHeights(this.measureRow());
    this.scrollTo(this.layout.topOf(chunk));
  }

  private get trueTop(): number {
    return this.layout.trueTop(this.body.scrollTop, this.body.clientHeight);
  }

  private replaceServersRows(): void {
    if (this.sizer.isConnected) return;
    this.body.replaceChildren(this.sizer);
    this.width = this.body.clientWidth;
    this.layout.rowHeight = this.measureRow();
  }

  private mount(rows: LogRows, number: number): void {
    const chunk = rows.chunk(number);
    if (chunk === undefined) return;
    const version = `${chunk.length} ${chunk.at(-1)?.[1].length ?? 0}`;
    const known = this.mounted.get(number);
    if (known?.dataset["version"] === version) return;
    const element = known ?? document.createElement("div");
    element.className = "log-chunk";
    element.dataset["version"] = version;
    const markup = chunk.map(([line, text]) => logRowMarkup(line, text)).join("");
    element.replaceChildren(parseMarkup(markup));
    if (known === undefined) {
      this.mounted.set(number, element);
      this.sizer.append(element);
    }
    if (this.hits !== undefined) this.mark(this.hits);
  }

  /** Gives every mounted chunk its place; what grew above the window must not push the reader. */
  private settle(keepEnd: boolean): void {
    const { body, layout, mounted } = this;
    const top = this.trueTop;
    let shift = 0;
    for (const number of [...mounted.keys()].toSorted((a, b) => a - b)) {
      const isAbove = layout.topOf(number) < top;
      const height = mounted.get(number)?.getBoundingClientRect().height ?? 0;
      const grown = layout.measure(number, height);
      if (isAbove) shift += grown;
    }
    this.sizer.style.height = `${layout.barHeight}px`;
    if (keepEnd) this.scrollToEnd();
    else if (shift !== 0) this.scrollTo(top + shift);
    const offset = body.scrollTop - this.trueTop;
    for (const [number, element] of mounted) {
      element.style.top = `${layout.topOf(number) + offset}px`;
    }
  }

  private scrollTo(trueTop: number): void {
    this.sizer.style.height = `${this.layout.barHeight}px`;
    this.body.scrollTop = this.layout.barTop(Math.max(0, trueTop), this.body.clientHeight);
  }

  private measureRow(): number {
    const probe = document.createElement("div");
    probe.className = "log-chunk";
    probe.append(parseMarkup(logRowMarkup(0, "x")));
    this.sizer.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    return height > 0 ? height : this.layout.rowHeight;
  }
}
