import fc from "fast-check";
import { expect, test } from "vitest";
import { logRows } from "../../../src/server/log-html.ts";
import { ROW_BYTES_MAX } from "../../../src/server/log-scan.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const shown = (text: string): readonly string[] => logRows(bytes(text)).map(({ html }) => html);

test("lines are numbered, and the last one needs no line feed", () => {
  const rows = logRows(bytes("one\n\nthree"));

  expect(rows.map(({ line, html }) => [line, html])).toEqual([
    [1, "one"],
    [2, ""],
    [3, "three"],
  ]);
});

test.each([
  ["\u001b[31mred\u001b[0m", '<span class="f1">red</span>'],
  ["\u001b[1;4mx\u001b[22mx", '<span class="bo un">x</span><span class="un">x</span>'],
  ["\u001b[97mbright", '<span class="f15">bright</span>'],
  ["\u001b[2mdim", '<span class="di">dim</span>'],
  ["\u001b[30;46m RUN \u001b[m", '<span class="b6"> RUN </span>'],
  ["\u001b[7mhead\u001b[27m", '<span class="b16">head</span>'],
  ["\u001b[31;7mhead", '<span class="b1">head</span>'],
  ["\u001b[37;40mnpm", '<span class="f7">npm</span>'],
  ["\u001b[38;5;9mred", '<span class="f9">red</span>'],
  ["\u001b[38;5;196mcube", '<span class="f1">cube</span>'],
  ["\u001b[38;5;244mgrey", '<span class="f8">grey</span>'],
  ["\u001b[38;2;0;0;200mblue", '<span class="f4">blue</span>'],
  ["\u001b[38:2::0:200:0mgreen", '<span class="f2">green</span>'],
  ["\u001b[48;2;255;0;0;1mback", '<span class="b1 bo">back</span>'],
  ["\u001b[58;5;9;31mred", '<span class="f1">red</span>'],
  ["\u001b[38;5mplain", "plain"],
  ["\u001b[38;2;999;0;0mplain", "plain"],
  ["\u001b[99999mplain", "plain"],
])("%j is drawn with classes", (text, html) => {
  expect(shown(text)).toEqual([html]);
});

test("a colour goes on in the next line", () => {
  expect(shown("\u001b[32mone\ntwo\u001b[0m\nthree")).toEqual([
    '<span class="f2">one</span>',
    '<span class="f2">two</span>',
    "three",
  ]);
});

test.each([
  ["a progress line", "1%\r50%\r100%\n", ["100%"]],
  ["one that clears itself first", "1%\r\u001b[K2%\n", ["2%"]],
  ["one that moves to the first column", "1%\u001b[1G2%\u001b[G3%", ["3%"]],
  ["one that ends with a carriage return", "100%\r\ndone", ["100%", "done"]],
  ["one that erases the line", "1%\u001b[2Kdone", ["done"]],
  ["lines of Windows", "a\r\nb\r\n", ["a", "b"]],
  ["a spinner", "|\b/\b-\b\\ ok", ["\\ ok"]],
])("%s is shown in its last state", (_name, text, rows) => {
  expect(shown(text)).toEqual(rows);
});

test.each([
  ["a title", "\u001b]0;evil\u0007text"],
  ["a link", "\u001b]8;;https://evil.example/\u001b\\text\u001b]8;;\u001b\\"],
  ["the clipboard", "\u001b]52;c;ZXZpbA==\u0007text"],
  ["a device string", "\u001bPq#0;2;0;0;0\u001b\\text"],
  ["cursor moves", "\u001b[2J\u001b[H\u001b[10;10Ht\u001b[1Aext"],
  ["private modes", "\u001b[?25l\u001b[?1049htext"],
  ["a charset", "\u001b(Btext\u001b)0"],
  ["a reset", "\u001bctext"],
  ["a cut sequence", "text\u001b["],
  ["private colours", "\u001b[>4;2mtext\u001b[?1m"],
])("%s leaves nothing but the text", (_name, text) => {
  expect(shown(text)).toEqual(["text"]);
});

test("an escape sequence without end hides no more than its line", () => {
  expect(shown("\u001b]0;hidden\nnext\n\u001b[31\nlast")).toEqual(["", "next", "", "last"]);
});

test.each([
  ["markup", "<script>alert('&')</script>", "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"],
  ["a direction override", "a\u202eb", 'a<b class="mk">U+202E</b>b'],
  ["isolates", "\u2066x\u2069", '<b class="mk">U+2066</b>x<b class="mk">U+2069</b>'],
  ["a C1 control", "a\u009bb", 'a<b class="mk">U+009B</b>b'],
  ["hidden tags", "a\u{e0041}", 'a<b class="mk">U+E0041</b>'],
  ["NUL and others", "a\0b\u0001\u007f", "a\u2400b\u2401\u2421"],
  ["a bell", "a\u0007b", "ab"],
  ["a tab", "a\tb", "a\tb"],
  ["right-to-left text", "\u05d0", "\u05d0"],
  ["emoji with joiners", "\u{1f469}\u200d\u{1f4bb}", "\u{1f469}\u200d\u{1f4bb}"],
])("%s is only text", (_name, text, html) => {
  expect(shown(text)).toEqual([html]);
});

test("bytes that are no UTF-8 become replacement characters", () => {
  const rows = logRows(Uint8Array.of(0x61, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x0a));

  expect(rows.map(({ html }) => html)).toEqual(["a\ufffd\ufffd(\ufffd\ufffd\ufffd"]);
});

test("a long line goes on in rows without a number of their own, and no character is cut", () => {
  const rows = logRows(bytes(`${"é".repeat(ROW_BYTES_MAX)}\nnext`));

  expect(rows.map(({ line, isContinued }) => [line, isContinued])).toEqual([
    [1, false],
    [1, true],
    [2, false],
  ]);
  expect(rows.map(({ html }) => html).join("")).toBe(`${"é".repeat(ROW_BYTES_MAX)}next`);
});

test("a line of many colours is cut, not left out", () => {
  const rows = logRows(bytes("\u001b[31ma\u001b[32mb".repeat(5_000)));

  const text = rows.map(({ html }) => html.replaceAll(/<[^>]*>/g, "")).join("");
  expect(text).toBe("ab".repeat(5_000));
  expect(Math.max(...rows.map(({ html }) => html.length))).toBeLessThan(100_000);
});

test("however the bytes are cut, the rows are the same", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "\u001b[31m",
      "\u001b[0m",
      "\u001b[38;5;200m",
      "\u001b]0;t\u0007",
      "\u001b]8;;x\u001b\\",
    ),
    fc.constantFrom("\n", "\r", "\r\n", "\b", "\u001b[K", "\u001b", "\u001b[", "\u001bP"),
    fc.constantFrom("é", "\u{1f469}", "\u202e", "<b>", "text", "\0"),
    fc.string(),
  );
  const log = fc.array(piece, { maxLength: 40 }).map((pieces) => bytes(pieces.join("")));

  fc.assert(
    fc.property(log, fc.array(fc.nat(200), { maxLength: 10 }), (whole, cuts) => {
      const chunks = [...cuts.toSorted((a, b) => a - b), whole.length].map((to, index, all) =>
        whole.subarray(index === 0 ? 0 : all[index - 1], to),
      );
      expect(logRows(...chunks)).toEqual(logRows(whole));
    }),
    { numRuns: 500 },
  );
});

test("no log makes any markup but spans and marks with known classes", () => {
  const hostile = fc.uint8Array({ maxLength: 300 });
  const sequences = fc
    .array(
      fc.constantFrom("\u001b[", "31", ";", "m", '"', "<", ">", "&", "\u001b]8;;", "\u0007", "'"),
      {
        maxLength: 60,
      },
    )
    .map((parts) => bytes(parts.join("")));

  fc.assert(
    fc.property(fc.oneof(hostile, sequences), (log) => {
      for (const { html } of logRows(log)) {
        const left = html
          .replaceAll(/<span class="(?:[fb]\d{1,2}|bo|di|it|un|st)(?: (?:bo|it|un|st))*">/g, "")
          .replaceAll(/<b class="mk">U\+[0-9A-F]{4,6}<\/b>/g, "")
          .replaceAll("</span>", "");
        expect(left).not.toMatch(/[<>"']/);
      }
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ["one line without end", "x".repeat(1_000_000)],
  ["carriage returns", "x\r".repeat(500_000)],
  ["escapes without end", "\u001b".repeat(1_000_000)],
  ["a sequence without end", `\u001b[${"1;".repeat(500_000)}`],
  ["a string without end", `\u001b]${"x".repeat(1_000_000)}`],
  ["backspaces", `${"xy".repeat(8_000)}${"\b".repeat(900_000)}`],
  ["a colour per character", "\u001b[31mx\u001b[32mx".repeat(80_000)],
  ["NUL", "\0".repeat(1_000_000)],
])("a megabyte of %s costs no more than any other", (_name, text) => {
  const log = bytes(text);
  const startedAt = performance.now();

  logRows(log);

  // A hang is what it looks for: plain text takes some 10 ms, anything quadratic minutes.
  expect(performance.now() - startedAt).toBeLessThan(20_000);
});
