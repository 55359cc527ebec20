export interface Diagnostic {
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  /** A place as one text: `test/greet.ts:10:23`. */
  readonly at: string;
  readonly durationMs: number | null;
}

const LINES_MAX = 400;

/**
 * The few keys of a TAP diagnostic that runners agree on. Whole YAML is not needed for them, and what
 * stands in these blocks (differences, stacks, objects) is often none.
 */
export function yamlDiagnostic(text: string): Diagnostic {
  const values = new Map<string, string>();
  let block: { readonly key: string; readonly indent: number } | undefined;
  for (const line of text.split("\n", LINES_MAX)) {
    const indent = line.length - line.trimStart().length;
    if (block !== undefined && (indent > block.indent || line.trim() === "")) {
      values.set(block.key, `${values.get(block.key) ?? ""}${line.trim()}\n`);
      continue;
    }
    block = undefined;
    const match = /^\s*([\w-]{1,40}):(?:\s+(.*))?$/.exec(line);
    if (match?.[1] === undefined) continue;
    const key = match[1].toLowerCase();
    const value = match[2]?.trim() ?? "";
    if (/^[|>][-+]?$/.test(value)) block = { key, indent };
    // The first of a name is the outermost, or the one of the error itself.
    if (!values.has(key)) values.set(key, block === undefined ? unquoted(value) : "");
  }
  const get = (...keys: string[]): string =>
    keys.map((key) => values.get(key)?.trim() ?? "").find((value) => value !== "") ?? "";
  const line = Number(get("line", "linenumber"));
  const duration = Number(get("duration_ms") || Number.NaN);
  return {
    message: get("message", "error"),
    file: get("file", "filename") || null,
    line: Number.isSafeInteger(line) && line > 0 ? line : null,
    at: get("at", "location"),
    durationMs: Number.isFinite(duration) && duration >= 0 ? duration : null,
  };
}

/** What a runner says of itself, or what the test's own line and the place have said. */
const NOISE: ReadonlySet<string> = new Set([
  "duration_ms",
  "name",
  "type",
  "failuretype",
  "code",
  "severity",
  "location",
  "at",
  "line",
  "file",
]);
const SAID_BY: ReadonlySet<string> = new Set(["message", "error"]);
const OUTERMOST_KEY = /^([\w-]{1,40}):(?:\s+(.*))?$/;

/** A diagnostic as a person reads it: the message first and without its key, then what else it says. */
export function readableDiagnostic(text: string): string {
  const lines = text.split("\n");
  const indents = lines.flatMap((line) => (line.trim() === "" ? [] : [indentOf(line)]));
  const outermost = Math.min(...indents, 100);
  const message: string[] = [];
  const rest: string[] = [];
  let key = "";
  let isBlock = false;
  let inner: number | undefined;
  for (const line of lines.map((raw) => raw.slice(outermost))) {
    const [, name, value = ""] = OUTERMOST_KEY.exec(line) ?? [];
    if (name !== undefined) {
      key = name.toLowerCase();
      isBlock = /^[|>][-+]?$/.test(value);
      inner = undefined;
    }
    if (NOISE.has(key)) continue;
    if (!SAID_BY.has(key)) rest.push(line);
    else if (name === undefined) {
      inner ??= indentOf(line);
      const told = line.slice(inner);
      if (isBlock || !told.startsWith("name:")) message.push(isBlock ? told : withoutKey(told));
    } else if (!isBlock) message.push(unquoted(value.trim()));
  }
  return [...message, ...rest]
    .filter((line, at, all) => line !== "" || all[at - 1] !== "")
    .join("\n")
    .trim();
}

/** An error that is an object has its message inside. */
function withoutKey(line: string): string {
  const value = /^message:\s+(.*)$/.exec(line)?.[1];
  return value === undefined ? line : unquoted(value.trim());
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function unquoted(value: string): string {
  const quote = value[0];
  if (value.length < 2 || (quote !== '"' && quote !== "'") || value.at(-1) !== quote) return value;
  return value.slice(1, -1).replaceAll(quote === '"' ? '\\"' : "''", quote);
}
