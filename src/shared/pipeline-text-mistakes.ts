import {
  PIPELINE_LEVELS_MAX,
  PIPELINE_NODES_MAX,
  PIPELINE_TOKENS_MAX,
} from "../domain/pipeline-keys.ts";
import { quoted } from "./pipeline-mistake.ts";
import type { TextMistake } from "./pipeline-mistake.ts";

/** What YAML allows and a pipeline file does not, each with its words. */

export function limitMistake(
  seen: { readonly tokens: number; readonly nodes: number; readonly levels: number },
  start: number,
): TextMistake | undefined {
  const message = overLimit(seen);
  if (message === undefined) return undefined;
  const hint = "move what is long into scripts of the repository";
  return { code: "LIMIT_EXCEEDED", start, end: start + 1, message, hint };
}

function overLimit(seen: { tokens: number; nodes: number; levels: number }): string | undefined {
  if (seen.levels > PIPELINE_LEVELS_MAX) {
    return `more levels than the limit, ${PIPELINE_LEVELS_MAX}`;
  }
  if (seen.nodes > PIPELINE_NODES_MAX) {
    return `more values than the limit, ${PIPELINE_NODES_MAX.toLocaleString("en")}`;
  }
  if (seen.tokens <= PIPELINE_TOKENS_MAX) return undefined;
  return `more lines, values and marks than the limit, ${PIPELINE_TOKENS_MAX.toLocaleString("en")}`;
}

export function secondDocument(start: number, end: number): TextMistake {
  const message = "a second document starts here";
  return {
    code: "YAML_DOCUMENTS",
    start,
    end,
    message,
    hint: "one file is one pipeline; for several use `projects`",
  };
}

export function directiveMistake(start: number, end: number): TextMistake {
  const message = "lines that start with `%` are not read";
  return { code: "YAML_SYNTAX", start, end, message, hint: "remove this line" };
}

export function aliasMistake(text: string, start: number, end: number): TextMistake {
  const message = "anchors, aliases and `<<` are not read";
  const line = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
  const hint = /(?:^|[\s{,])env: *$/.test(line)
    ? "write it out; `env` at the top holds for every step"
    : "write it out; text that starts with `*` or `&` needs quotes";
  return { code: "YAML_ALIAS", start, end, message, hint };
}

export function tagMistake(text: string, start: number, end: number): TextMistake {
  const tag = text.slice(start, Math.min(end, start + 60));
  const value = /^[^,\]}\n#]+/.exec(text.slice(start, start + 60))?.[0].trim() ?? tag;
  const message = `\`${tag}\` without quotes is a YAML tag`;
  const hint = tag.startsWith("!!") ? "remove it, and quote the value" : `write ${quoted(value)}`;
  return { code: "YAML_TAG", start, end, message, hint };
}

export function duplicateKey(
  key: string,
  firstLine: number,
  start: number,
  end: number,
): TextMistake {
  const message = `key ${quoted(key)} is already set on line ${firstLine}`;
  const isTest = key === "test";
  const hint = isTest ? "make it a map of named steps, or remove one" : "rename one, or remove it";
  return { code: "YAML_DUPLICATE_KEY", start, end, message, hint };
}

/** Escapes in double quotes can write what no process can be given: NUL, and half a character. */
export function unwritable(value: string, start: number, end: number): TextMistake | undefined {
  if (value.isWellFormed() && !value.includes("\0")) return undefined;
  const what = value.includes("\0") ? "`\\0`" : "half of a `\\u` pair";
  const message = `${what} is no text that a command could be given`;
  return { code: "FILE_ENCODING", start, end, message, hint: "remove the escape" };
}
