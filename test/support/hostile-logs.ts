import { MATCHERS } from "../../src/domain/matchers/all-matchers.ts";

/** As much of a log as a worker remembers. */
export const LOG_BYTES = 256 * 1024;

const PIECES = [
  "a",
  ":",
  "/",
  ":1",
  "a:1 ",
  "(1",
  "(1,",
  "line 1",
  ", line 1",
  '"',
  "'",
  " ",
  "\n",
  "\r",
  ".",
  "..",
  "\u001b",
  "\u001b[",
  "\u001b[1",
  "\u001b]",
  "not ok ",
  "FAIL ",
  "FAIL\n",
  "● ›",
  "x:1\n",
  `${"a".repeat(390)},:1\n`,
  `${".".repeat(990)} FAIL\n`,
  `FAIL ${"a  ".repeat(300)}\n`,
  `FAIL ${"(1".repeat(300)}\n`,
  `${"/".repeat(300)}:1\n`,
  `${"../".repeat(100)}:1\n`,
  "BUILD/a/",
  "\u{1f600}",
  // What wakes the matchers, each of them over and over.
  ...MATCHERS.map(({ signs }) => signs.map((sign) => `${sign}\n`).join("")),
  ...MATCHERS.map(({ signs }) => `src/hello.c:3:1: ${signs[0]}${" a".repeat(900)}\n`),
];

/** Logs whose parts make a pattern that looks back, or that is tried everywhere, as slow as it can be. */
export const HOSTILE_LOGS: readonly { readonly name: string; readonly text: string }[] = PIECES.map(
  (piece) => ({ name: JSON.stringify(piece).slice(0, 30), text: repeated(piece) }),
);

export function repeated(piece: string): string {
  return piece.repeat(Math.ceil(LOG_BYTES / piece.length));
}
