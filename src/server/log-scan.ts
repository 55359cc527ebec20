import { applySgr, PLAIN, type SgrStyle } from "./sgr.ts";

/** Bytes of text in one row; a longer line goes on in further rows, which carry no number. */
export const ROW_BYTES_MAX = 16 * 1024;
/** Changes of style in one row. More are a drawing, and would cost more markup than text. */
const RUNS_MAX = 1_000;
const PARAMS_MAX = 128;
/** A character may be completed beyond the bound. */
const SLACK_BYTES = 3;
const SHORT_BYTES = 48;

/** Where a row begins, and all that must be known to read on from there. */
export interface RowStart {
  readonly offsetBytes: number;
  /** Number of the line, from 1. */
  readonly line: number;
  /** True for a row that carries on the line of the row before. */
  readonly isContinued: boolean;
  readonly style: SgrStyle;
}

export const LOG_START: RowStart = { offsetBytes: 0, line: 1, isContinued: false, style: PLAIN };

/** What a row shows. It is the scanner's own memory, good until the scanner goes on. */
export interface ScannedRow {
  readonly start: RowStart;
  readonly text: Uint8Array;
  /** Where each style begins in `text`. */
  readonly runs: readonly Readonly<StyleRun>[];
}

interface StyleRun {
  at: number;
  style: SgrStyle;
}

const TEXT = 0;
const ESCAPE = 1;
const CHARSET = 2;
const CSI = 3;
const STRING = 4;
const STRING_ESCAPE = 5;

const BELL = 0x07;
const BACKSPACE = 0x08;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const ESC = 0x1b;
const DELETE = 0x7f;

/**
 * Cuts the bytes of a log into rows, in time and memory that do not depend on what is in them. Only
 * colours pass; other escape sequences are dropped and never reach beyond their line. A line that is
 * rewritten after carriage returns is shown in its last state. Bytes may be cut anywhere between two
 * pushes, inside a character or an escape sequence too.
 */
export class LogScanner implements ScannedRow {
  start: RowStart;
  readonly runs: StyleRun[];
  private readonly onRow: (row: ScannedRow) => void;
  private readonly buffer = new Uint8Array(ROW_BYTES_MAX + 2 * SLACK_BYTES);
  private length = 0;
  private style: SgrStyle;
  private mode = TEXT;
  private params = "";
  private isSgrPossible = true;
  /** A carriage return was seen: the next text replaces what the row shows. */
  private isRewound = false;
  /** Offset in the log of the first byte of the current push. */
  private base: number;

  constructor(from: RowStart, onRow: (row: ScannedRow) => void) {
    this.onRow = onRow;
    this.start = from;
    this.style = from.style;
    this.runs = [{ at: 0, style: from.style }];
    this.base = from.offsetBytes;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      at = this.mode === TEXT ? this.readText(bytes, at) : this.readEscape(bytes, at);
    }
    this.base += bytes.length;
  }

  /** The row whose line has not ended yet; undefined while it shows nothing. */
  unfinished(): ScannedRow | undefined {
    return this.length === 0 ? undefined : this;
  }

  get text(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private readText(bytes: Uint8Array, from: number): number {
    let to = from;
    while (to < bytes.length && isShown(bytes[to] ?? 0)) to += 1;
    if (to > from) {
      this.addText(bytes, from, to);
      return to;
    }
    this.control(bytes[from] ?? 0, from + 1);
    return from + 1;
  }

  private addText(bytes: Uint8Array, first: number, to: number): void {
    if (this.isRewound) this.clearRow();
    let from = first;
    while (from < to) {
      const end = this.endOfRoom(bytes, from, to);
      if (end === from) {
        this.endRow({ offsetBytes: this.base + from, line: this.start.line, isContinued: true });
        continue;
      }
      this.copy(bytes, from, end);
      from = end;
    }
  }

  private copy(bytes: Uint8Array, from: number, end: number): void {
    if (end - from > SHORT_BYTES) {
      this.buffer.set(bytes.subarray(from, end), this.length);
    } else {
      // Most pieces are words between two colours; for them a view costs more than the copy.
      for (let at = from; at < end; at += 1) this.buffer[this.length + at - from] = bytes[at] ?? 0;
    }
    this.length += end - from;
  }

  /** How far the row may be filled: to the bound, and on to the end of a character cut by it. */
  private endOfRoom(bytes: Uint8Array, from: number, to: number): number {
    if (this.runs.length > RUNS_MAX) return from;
    const bound = from + ROW_BYTES_MAX - this.length;
    if (bound >= to) return to;
    const last = Math.min(to, bound + SLACK_BYTES);
    let end = Math.max(from, bound);
    while (end < last && isContinuation(bytes[end] ?? 0)) end += 1;
    return end;
  }

  private control(byte: number, nextAt: number): void {
    if (byte === LINE_FEED) {
      const line = this.start.line + 1;
      this.endRow({ offsetBytes: this.base + nextAt, line, isContinued: false });
    } else if (byte === CARRIAGE_RETURN) {
      this.isRewound = true;
    } else if (byte === ESC) {
      this.mode = ESCAPE;
    } else if (byte === BACKSPACE) {
      this.takeBack();
    } else if (byte !== BELL) {
      // U+2400 and on: the pictures of control characters.
      const picture = byte === DELETE ? 0xa1 : 0x80 + byte;
      this.addText(Uint8Array.of(0xe2, 0x90, picture), 0, 3);
    }
  }

  private readEscape(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] ?? 0;
    // Nothing that a program prints may hide more than the rest of its line.
    if (byte === LINE_FEED) this.mode = TEXT;
    else if (this.mode === STRING) return this.skipString(bytes, at);
    else if (this.mode === STRING_ESCAPE) return this.endString(byte, at);
    else if (this.mode === CSI) return this.readCsi(byte, at);
    else if (this.mode === CHARSET) return this.readCharset(byte, at);
    else return this.beginEscape(byte, at);
    return at;
  }

  private beginEscape(byte: number, at: number): number {
    this.mode = TEXT;
    if (byte === 0x5b) {
      this.mode = CSI;
      this.params = "";
      this.isSgrPossible = true;
    } else if (byte === 0x5d || byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) {
      this.mode = STRING;
    } else if (byte >= 0x20 && byte <= 0x2f) {
      this.mode = CHARSET;
    } else if (byte < 0x30 || byte > 0x7e) {
      return at; // No escape sequence after all: the byte is read again as itself.
    }
    return at + 1;
  }

  private readCharset(byte: number, at: number): number {
    if (byte >= 0x20 && byte <= 0x2f) return at + 1;
    this.mode = TEXT;
    return byte >= 0x30 && byte <= 0x7e ? at + 1 : at;
  }

  private readCsi(byte: number, at: number): number {
    if (byte >= 0x30 && byte <= 0x3b && this.params.length < PARAMS_MAX) {
      this.params += String.fromCharCode(byte);
    } else if (byte >= 0x20 && byte <= 0x3f) {
      this.isSgrPossible = false; // Private, with intermediates, or longer than any colour.
    } else {
      this.mode = TEXT;
      if (byte < 0x40 || byte > 0x7e) return at;
      this.applyCsi(String.fromCharCode(byte));
    }
    return at + 1;
  }

  private applyCsi(final: string): void {
    if (!this.isSgrPossible) return;
    if (final === "m") this.setStyle(applySgr(this.params, this.style));
    else if (final === "G" && /^[01]?$/.test(this.params)) this.isRewound = true;
    else if (final === "K" && (this.isRewound || this.params === "2")) this.clearRow();
  }

  private skipString(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0;
      if (byte === LINE_FEED) return at;
      at += 1;
      if (byte === ESC) {
        this.mode = STRING_ESCAPE;
        return at;
      }
      if (byte === BELL || byte === 0x18 || byte === 0x1a) {
        this.mode = TEXT;
        return at;
      }
    }
    return at;
  }

  private endString(byte: number, at: number): number {
    this.mode = byte === 0x5c ? TEXT : ESCAPE;
    return byte === 0x5c ? at + 1 : at;
  }

  private setStyle(style: SgrStyle): void {
    if (style === this.style) return;
    this.style = style;
    const last = this.runs.at(-1);
    if (last?.at === this.length) last.style = style;
    else this.runs.push({ at: this.length, style });
  }

  /** Backspace: the last character goes, as a spinner means it. */
  private takeBack(): void {
    if (this.length === 0) return;
    do this.length -= 1;
    while (this.length > 0 && isContinuation(this.buffer[this.length] ?? 0));
    while (this.runs.length > 1 && (this.runs.at(-1)?.at ?? 0) > this.length) this.runs.pop();
    const last = this.runs.at(-1);
    if (last?.style !== this.style) this.runs.push({ at: this.length, style: this.style });
  }

  private clearRow(): void {
    this.isRewound = false;
    this.length = 0;
    this.runs.length = 1;
    const [first] = this.runs;
    if (first === undefined) return;
    first.at = 0;
    first.style = this.style;
  }

  private endRow(next: Omit<RowStart, "style">): void {
    this.onRow(this);
    this.start = { ...next, style: this.style };
    this.clearRow();
  }
}

function isShown(byte: number): boolean {
  return (byte >= 0x20 && byte !== DELETE) || byte === TAB;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
