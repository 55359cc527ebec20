import { stripVTControlCharacters } from "node:util";
import type { Env } from "../shared/config.ts";

const BLOCK_LINES_MAX = 8;
const BLOCK_EVERY_MS = 125;
const COLUMNS_DEFAULT = 100;

const INKS = { red: 31, green: 32, yellow: 33, blue: 34, dim: 2, bold: 1 } as const;
export type Ink = keyof typeof INKS;

/** Text, or text in a colour. Whatever it holds, nothing but text reaches the terminal. */
export type Piece = string | { readonly ink: Ink; readonly text: string };
export type Line = readonly Piece[];

/** A stream that may be a terminal. */
export interface Terminal {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The one place that prints: stdout is the answer, stderr is progress and advice. */
export interface Printer {
  answer(...line: Line): void;
  /** One value, one line of JSON. */
  json(value: unknown): void;
  /** The user's own bytes; on a terminal only text and its colours. */
  bytes(chunk: Uint8Array): void;
  progress(...line: Line): void;
  /** Said even with `--quiet`. */
  complain(...line: Line): void;
  /** Lines below everything else that are written again in place; nothing where there is no terminal. */
  block(lines: readonly Line[]): void;
  readonly hasBlock: boolean;
}

export interface PrintOptions {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly env: Env;
  readonly isQuiet: boolean;
  readonly noColor: boolean;
}

export function createPrinter({ stdout, stderr, env, isQuiet, noColor }: PrintOptions): Printer {
  const isAscii = !isUtf8(env);
  const draw = (line: Line, to: Terminal, columns?: number): string =>
    drawLine(line, { isAscii, hasColor: !noColor && hasColor(to, env), columns });
  const block = liveBlock(stderr, (line) => draw(line, stderr, stderr.columns || COLUMNS_DEFAULT));
  const print = (to: Terminal, line: Line): void => {
    block.lift();
    to.write(`${draw(line, to)}\n`);
  };
  const logText = createLogCleaner();

  return {
    answer: (...line) => print(stdout, line),
    json: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    bytes: (chunk) => {
      block.lift();
      stdout.write(stdout.isTTY === true ? logText(chunk, hasColor(stdout, env)) : chunk);
    },
    progress: (...line) => {
      if (!isQuiet) print(stderr, line);
    },
    complain: (...line) => print(stderr, line),
    block: (lines) => {
      if (!isQuiet) block.show(lines);
    },
    hasBlock: stderr.isTTY === true && env["TERM"] !== "dumb",
  };
}

export function hasColor(to: Terminal, env: Env): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0") return true;
  return to.isTTY === true && env["TERM"] !== "dumb";
}

export function isUtf8(env: Env): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "C";
  return /utf-?8/i.test(locale);
}

/** Without escape sequences, control characters and marks that change the direction of text. */
export function plainText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\r\n\t]+/g, " ")
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "");
}

interface DrawOptions {
  readonly isAscii: boolean;
  readonly hasColor: boolean;
  readonly columns?: number | undefined;
}

function drawLine(line: Line, { isAscii, hasColor, columns }: DrawOptions): string {
  let room = columns === undefined ? Number.POSITIVE_INFINITY : columns - 1;
  const drawn = line.map((piece) => {
    const clean = plainText(typeof piece === "string" ? piece : piece.text);
    const characters = [...(isAscii ? toAscii(clean) : clean)].slice(0, Math.max(0, room));
    room -= characters.length;
    const text = characters.join("");
    return typeof piece === "string" || !hasColor ? text : `\x1b[${INKS[piece.ink]}m${text}\x1b[0m`;
  });
  return drawn.join("").replace(/ +$/, "");
}

function toAscii(text: string): string {
  return text
    .replaceAll("→", "->")
    .replaceAll("…", "...")
    .replace(/[·–—]/g, "-")
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[^\x20-\x7e]/gu, "?");
}

/** The last lines on the terminal, at most 8, drawn again at most 8 times a second. */
function liveBlock(to: Terminal, draw: (line: Line) => string) {
  let lines: readonly Line[] = [];
  let height = 0;
  let timer: NodeJS.Timeout | undefined;

  const lift = (): void => {
    if (height > 0) to.write(`\x1b[${height}A\x1b[0J`);
    if (height > 0) later();
    height = 0;
  };
  const redraw = (): void => {
    timer = undefined;
    const again = height > 0 ? `\x1b[${height}A\x1b[0J` : "";
    to.write(again + lines.map((line) => `${draw(line)}\n`).join(""));
    height = lines.length;
  };
  const later = (): void => void (timer ??= setTimeout(redraw, BLOCK_EVERY_MS).unref());

  return {
    lift,
    show: (next: readonly Line[]): void => {
      if (to.isTTY !== true) return;
      lines = next.slice(-BLOCK_LINES_MAX);
      if (lines.length > 0) return later();
      clearTimeout(timer);
      timer = undefined;
      lift();
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

const ESCAPE = "\x1b";
const COLOUR = new RegExp(`(${ESCAPE}\\[[0-9;]*m)`);
const BELL = "\x07";
/** A sequence whose end is still to come: of colours and cursors, or of titles and links. */
const UNFINISHED = new RegExp(
  `(?:(?:${ESCAPE}\\[|\u009b)[0-?]{0,100}[ -/]{0,10}|` +
    `${ESCAPE}[\\]PX^_][^${BELL}${ESCAPE}]{0,4000}${ESCAPE}?|${ESCAPE})$`,
);

/** Of a log, a terminal gets text and colours only; sequences may be cut across chunks. */
function createLogCleaner(): (chunk: Uint8Array, keepColors: boolean) => string {
  const decoder = new TextDecoder();
  let rest = "";
  return (chunk, keepColors) => {
    const text = rest + decoder.decode(chunk, { stream: true });
    const cut = UNFINISHED.exec(text)?.index ?? text.length;
    rest = text.slice(cut);
    return cleanLog(text.slice(0, cut), keepColors);
  };
}

function cleanLog(text: string, keepColors: boolean): string {
  const parts = text.split(COLOUR);
  const clean = parts.map((part, index) => {
    if (index % 2 === 1) return keepColors ? part : "";
    return stripVTControlCharacters(part).replace(/(?![\n\t])\p{Cc}/gu, "");
  });
  return clean.join("");
}
