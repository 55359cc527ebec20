import { expect, test } from "vitest";
import { cutText, lastState, stripAnsi } from "../../../src/domain/log-text.ts";

test.each([
  ["colours", "\u001b[1;38;5;196mred\u001b[0m", "red"],
  ["one-character introducers", "\u009b31mred\u009b0m", "red"],
  ["titles", "\u001b]0;a title\u0007text\u001b]0;b\u001b\\!", "text!"],
  ["links", "\u001b]8;;https://example.com\u001b\\name\u001b]8;;\u001b\\", "name"],
  ["short ones", "\u001bMa\u001b(Bb\u001b7c", "abc"],
  ["cut ones", "a\u001b[31", "a31"],
  ["a string that is never ended does not swallow lines", "\u001b]0;x\nline\u0007", "0;x\nline"],
  ["control characters but for tabs and line ends", "a\u0000\u0007\tb\r\n", "a\tb\r\n"],
])("%s", (_, text, plain) => {
  expect(stripAnsi(text)).toBe(plain);
});

test.each([
  ["plain", "plain"],
  ["10%\r100%", "100%"],
  ["10%\r100%\r", "100%"],
  ["\r", ""],
  ["", ""],
])("%j last stood as %j", (line, state) => {
  expect(lastState(line)).toBe(state);
});

test("text is cut on a whole character", () => {
  expect(cutText("abc", 3)).toBe("abc");
  expect(cutText("abcd", 3)).toBe("ab…");
  expect(cutText("a😀bcd", 3)).toBe("a…");
});
