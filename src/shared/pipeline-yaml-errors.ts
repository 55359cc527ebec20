import type { TextMistake } from "./pipeline-mistake.ts";

/** What is read of an error of the YAML package: its stable code, its place, and its own words. */
export interface YamlErrorFacts {
  readonly code: string;
  readonly pos: readonly [number, number];
  readonly message: string;
}

type Explained = Pick<TextMistake, "message" | "hint"> &
  Partial<Pick<TextMistake, "start" | "end">>;

/** What else there is to know when an error is explained. */
export interface YamlErrorContext {
  readonly all: readonly YamlErrorFacts[];
  readonly text: string;
  /** Offsets of brackets that are never closed. */
  readonly openBrackets: readonly number[];
}

/** Says in the words of this product what the YAML package found. */
export function explainYamlError(error: YamlErrorFacts, context: YamlErrorContext): TextMistake {
  const [start, end] = error.pos;
  if (error.code === "TAB_AS_INDENT") {
    const message = "a tab is used as indentation";
    return { code: "YAML_TAB", start, end: start + 1, message, hint: "use two spaces" };
  }
  const isBelowValue = context.all.some(
    ({ code, pos }) => code === "MULTILINE_IMPLICIT_KEY" && pos[0] === start,
  );
  const explained = isBelowValue ? belowValue(context.text, start) : explain(error, context);
  return { code: "YAML_SYNTAX", start, end, ...explained };
}

/**
 * A line further in than the value above it, `a: b` and then ` c: d`; or, where nothing stands in
 * front of the value, simply a line without a colon.
 */
function belowValue(text: string, start: number): Explained {
  const before = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
  const end = lineEnd(text, start);
  if (before.trim() === "") return noColon(text, start);
  return {
    end,
    message: "the next line is indented as if it belonged to this value",
    hint: "give both keys the same indentation",
  };
}

function explain({ code, pos, message }: YamlErrorFacts, context: YamlErrorContext): Explained {
  const [start] = pos;
  const { text, openBrackets } = context;
  const quoteOrBlock = `quote the whole value, or write it as a block below \`${keyOn(text, start)}:\``;
  switch (code) {
    case "BLOCK_AS_IMPLICIT_KEY":
      return {
        end: lineEnd(text, start),
        message: "a colon and a space inside text without quotes",
        hint: quoteOrBlock,
      };
    case "BAD_SCALAR_START":
      return {
        message: `text without quotes cannot start with ${JSON.stringify(text[start] ?? "")}`,
        hint: quoteOrBlock,
      };
    case "BAD_DQ_ESCAPE":
      return {
        message: `${JSON.stringify(text.slice(start, start + 2))} is no escape in double quotes`,
        hint: "use single quotes, in which a backslash is only a backslash",
      };
    case "MISSING_CHAR":
      return message.startsWith("Flow")
        ? explainIndent(message, text, openBrackets)
        : explainMissing(message, text, start);
    case "BAD_INDENT":
      return explainIndent(message, text, openBrackets);
    case "UNEXPECTED_TOKEN":
      return explainUnexpected(message, quoteOrBlock);
    default:
      // The package's own words are better than none; cut, since some quote the file.
      return { message: `this is not YAML: ${firstLine(message)}`, hint: quoteOrBlock };
  }
}

function explainMissing(message: string, text: string, start: number): Explained {
  const quote = /^Missing closing (["'])/.exec(message)?.[1];
  if (quote !== undefined) {
    const opened = openingQuote(text, quote, start) ?? start;
    return {
      start: opened,
      end: lineEnd(text, opened),
      message: `a quote is opened with ${quote} and never closed`,
      hint: `close it with ${quote}`,
    };
  }
  if (message.startsWith("Implicit map keys")) return noColon(text, start);
  if (message.startsWith("Missing ,")) {
    return { message: "a comma is missing in front of this", hint: "put commas between entries" };
  }
  return { message: `this is not YAML: ${firstLine(message)}`, hint: "look at the marked place" };
}

/** Where the quote that runs to the end of the file was opened: after a colon, a dash or a bracket. */
function openingQuote(text: string, quote: string, end: number): number | undefined {
  for (let at = text.indexOf(quote); at !== -1 && at < end; at = text.indexOf(quote, at + 1)) {
    const before = text.slice(Math.max(0, at - 2), at);
    if (!/^$|[:\-?,[{]\s*$|\n\s?$/.test(before)) continue;
    const close = closingQuote(text, quote, at + 1);
    if (close === -1) return at;
    at = close;
  }
  return undefined;
}

function closingQuote(text: string, quote: string, from: number): number {
  for (let at = text.indexOf(quote, from); at !== -1; at = text.indexOf(quote, at + 1)) {
    if (quote === "'" && text[at + 1] === "'") at += 1;
    else if (quote === "'" || !isEscaped(text, at)) return at;
  }
  return -1;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}

function noColon(text: string, start: number): Explained {
  const end = lineEnd(text, start);
  const line = text.slice(start, Math.min(end, start + 60)).trim();
  return {
    end,
    message: `${JSON.stringify(line)} has no colon`,
    hint: "write `key: value`, or indent it if it belongs to the line above",
  };
}

function explainIndent(message: string, text: string, openBrackets: readonly number[]): Explained {
  if (!message.startsWith("Flow")) {
    return {
      message: "this indentation fits no line above",
      hint: "lines of one map or list start in the same column",
    };
  }
  const [open, close] = message.startsWith("Flow map") ? ["{", "}"] : ["[", "]"];
  const opened = openBrackets.findLast((at) => text[at] === open);
  const words = { message: `\`${open}\` is never closed`, hint: `close it with \`${close}\`` };
  return opened === undefined ? words : { ...words, start: opened, end: opened + 1 };
}

function explainUnexpected(message: string, quoteOrBlock: string): Explained {
  if (message.endsWith("at node end")) {
    return { message: "text follows after the end of the value", hint: quoteOrBlock };
  }
  if (message.startsWith("Unexpected block-seq-ind")) {
    return { message: "a list starts on the line of its key", hint: "start it on the next line" };
  }
  if (/^Unexpected flow-(?:seq|map)-end/.test(message)) {
    return { message: "this bracket was never opened", hint: "remove it, or quote the value" };
  }
  return { message: `this is not YAML: ${firstLine(message)}`, hint: quoteOrBlock };
}

/** The key at the start of the line, as far as one can be seen. */
function keyOn(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  return /^\s*(?:- )?([A-Za-z0-9_.-]{1,60}):/.exec(line)?.[1] ?? "key";
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end === -1 ? text.length : end;
}

function firstLine(message: string): string {
  return message.replace(/(?:: "|\n)[^]*$/, "").slice(0, 120);
}
