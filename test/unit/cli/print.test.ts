import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createPrinter, hasColor, isUtf8, plainText } from "../../../src/cli/print.ts";
import type { Line, PrintOptions } from "../../../src/cli/print.ts";
import type { Env } from "../../../src/shared/config.ts";

const UTF8 = { LANG: "en_US.UTF-8", TERM: "xterm" };

describe("what comes from outside", () => {
  test.each([
    ["a colour", "\x1b[31mred\x1b[0m", "red"],
    ["a title of the window", "\x1b]0;owned\x07hello", "hello"],
    ["a link", "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"],
    ["a cursor that goes up", "a\x1b[2Ab", "ab"],
    ["a line feed", "one\r\ntwo", "one two"],
    ["backspaces", "ok\b\bno", "okno"],
    ["text that turns around", "abc\u202egpj.exe", "abcgpj.exe"],
    ["one-byte control sequences", "a\x9b31mb", "ab"],
  ])("loses %s", (_what, text, expected) => {
    expect(plainText(text)).toBe(expected);
  });

  test("keeps letters of any script", () => {
    expect(plainText("太郎, Ünïcode ✓")).toBe("太郎, Ünïcode ✓");
  });
});

describe("colours", () => {
  test.each<[string, boolean, Env, boolean]>([
    ["are on at a terminal", true, { TERM: "xterm" }, true],
    ["are off elsewhere", false, { TERM: "xterm" }, false],
    ["are off with NO_COLOR", true, { TERM: "xterm", NO_COLOR: "1" }, false],
    ["are off at a dumb terminal", true, { TERM: "dumb" }, false],
    ["are on with FORCE_COLOR", false, { FORCE_COLOR: "1" }, true],
    ["are off when both ask", true, { NO_COLOR: "1", FORCE_COLOR: "1" }, false],
  ])("%s", (_rule, isTTY, env, expected) => {
    expect(hasColor({ write: () => undefined, isTTY }, env)).toBe(expected);
  });

  test("always come with a word", () => {
    const { stdout } = print({ env: UTF8 }, [{ ink: "red", text: "failed" }, " test"]);

    expect(stdout).toBe("failed test\n");
  });

  test("are written around the text at a terminal", () => {
    const { stdout } = print({ env: UTF8, isTTY: true }, [{ ink: "red", text: "failed" }]);

    expect(stdout).toBe("\x1b[31mfailed\x1b[0m\n");
  });
});

test.each([
  [{ LANG: "C" }, false],
  [{}, false],
  [{ LANG: "de_DE.UTF-8" }, true],
  [{ LANG: "de_DE.UTF-8", LC_ALL: "C" }, false],
])("the locale of %o says whether more than ASCII may be printed", (env, expected) => {
  expect(isUtf8(env)).toBe(expected);
});

test("a locale without UTF-8 gets ASCII", () => {
  const { stdout } = print({ env: { LANG: "C" } }, ["push → 12 … “ok” 太"]);

  expect(stdout).toBe('push -> 12 ... "ok" ?\n');
});

test("the answer is on stdout, progress on stderr, and quiet leaves only complaints there", () => {
  const streams = capture(false);
  const printer = createPrinter({ ...streams, env: UTF8, isQuiet: true, noColor: false });

  printer.answer("answer");
  printer.progress("progress");
  printer.complain("complaint");

  expect(streams.text()).toEqual({ stdout: "answer\n", stderr: "complaint\n" });
});

describe("the block below", () => {
  test("has at most eight lines, no longer than the terminal, and gives way to what is printed", async () => {
    const streams = capture(true);
    const printer = createPrinter({ ...streams, env: UTF8, isQuiet: false, noColor: true });

    printer.block(Array.from({ length: 12 }, (_, index) => [`step ${index} ${"x".repeat(200)}`]));
    await delay(200);
    printer.answer("done");
    printer.block([]);

    const [block = "", rest = ""] = streams.text().stderr.split("\x1b[8A\x1b[0J");
    const lines = block.trimEnd().split("\n");
    expect(lines.map((line) => line.slice(0, 7))).toEqual(
      [4, 5, 6, 7, 8, 9, 10, 11].map((index) => `step ${index} `.slice(0, 7)),
    );
    expect(Math.max(...lines.map(({ length }) => length))).toBe(79);
    expect(rest).toBe("");
    expect(streams.text().stdout).toBe("done\n");
  });

  test("is nothing where there is no terminal", async () => {
    const streams = capture(false);
    const printer = createPrinter({ ...streams, env: UTF8, isQuiet: false, noColor: true });

    printer.block([["running"]]);
    await delay(200);

    expect(printer.hasBlock).toBe(false);
    expect(streams.text().stderr).toBe("");
  });
});

describe("a log", () => {
  const hostile = Buffer.from("\x1b]0;owned\x07a \x1b[32mgreen\x1b[0m\x1b[2J\tb\n");

  test("keeps its bytes where there is no terminal", () => {
    expect(printBytes({ isTTY: false, env: UTF8 }, [hostile])).toBe(hostile.toString());
  });

  test("is text and colours at a terminal", () => {
    expect(printBytes({ isTTY: true, env: UTF8 }, [hostile])).toBe("a \x1b[32mgreen\x1b[0m\tb\n");
  });

  test("is text alone without colours", () => {
    const env = { ...UTF8, NO_COLOR: "1" };

    expect(printBytes({ isTTY: true, env }, [hostile])).toBe("a green\tb\n");
  });

  test("is the same however it is cut", () => {
    const whole = printBytes({ isTTY: true, env: UTF8 }, [hostile]);
    const bytes = [...hostile].map((byte) => Buffer.from([byte]));

    expect(printBytes({ isTTY: true, env: UTF8 }, bytes)).toBe(whole);
  });
});

function capture(isTTY: boolean) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({
    isTTY,
    columns: 80,
    write: (text: string | Uint8Array) => {
      written[name] += typeof text === "string" ? text : Buffer.from(text).toString();
    },
  });
  return { stdout: stream("stdout"), stderr: stream("stderr"), text: () => ({ ...written }) };
}

function print({ env, isTTY = false }: { env: Env; isTTY?: boolean }, line: Line) {
  const streams = capture(isTTY);
  const options: PrintOptions = { ...streams, env, isQuiet: false, noColor: false };
  createPrinter(options).answer(...line);
  return streams.text();
}

function printBytes({ env, isTTY }: { env: Env; isTTY: boolean }, chunks: readonly Buffer[]) {
  const streams = capture(isTTY);
  const printer = createPrinter({ ...streams, env, isQuiet: false, noColor: false });
  for (const chunk of chunks) printer.bytes(chunk);
  return streams.text().stdout;
}
