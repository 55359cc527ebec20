import type { LogTail } from "./failure-evidence.ts";
import { cutText, lastState, stripAnsi } from "./log-text.ts";

/** A test of a report, as far as its card needs it. */
export interface ReportedTest {
  readonly suite: string;
  readonly className: string;
  readonly name: string;
  readonly state: "passed" | "failed" | "errored" | "skipped";
  readonly message: string;
  readonly details: string;
  readonly file: string | null;
  readonly line: number | null;
}

/** What a failure card says of a step whose reports name failed tests. */
export interface TestFailure {
  /** `greets an empty name`; the card puts the step before it. */
  readonly title: string;
  /** At most 20 lines. */
  readonly excerpt: string;
  readonly file: string | null;
  readonly line: number | null;
  /** Where the log's tail names the test, from 1; null: nowhere. */
  readonly logLine: number | null;
  /** The other tests that failed, at most 20. */
  readonly also: { readonly title: string; readonly logLine: number | null }[];
  readonly failedCount: number;
}

const ALSO_MAX = 20;
const EXCERPT_LINES_MAX = 20;
const EXCERPT_LINE_CHARACTERS_MAX = 500;

/** The first test that failed, and those that failed with it; undefined: none did. */
export function failureFromTests(
  tests: readonly ReportedTest[],
  log?: LogTail,
): TestFailure | undefined {
  const failed = tests.filter(isFailed);
  const [first, ...others] = failed;
  if (first === undefined) return undefined;
  const lines = log === undefined ? [] : stripAnsi(log.text).split("\n").map(lastState);
  const lineOf = (test: ReportedTest): number | null => {
    const index = lineNaming(test, lines);
    return index === undefined || log === undefined ? null : log.firstLineNumber + index;
  };
  return {
    title: testTitle(first),
    excerpt: excerptOf(first),
    file: first.file,
    line: first.line,
    logLine: lineOf(first),
    also: others
      .slice(0, ALSO_MAX)
      .map((test) => ({ title: testTitle(test), logLine: lineOf(test) })),
    failedCount: failed.length,
  };
}

export function isFailed({ state }: Pick<ReportedTest, "state">): boolean {
  return state === "failed" || state === "errored";
}

/**
 * How people call a test: a sentence speaks for itself, the name of a function gets its class before
 * it: `GreetTest > emptyName`.
 */
export function testTitle({ className, name }: Pick<ReportedTest, "className" | "name">): string {
  const owner = className.split(/[./\\]|::/).findLast((part) => part !== "") ?? "";
  const isSentence = /\s/.test(name.replace(/[[(].*$/s, ""));
  const saysItself =
    owner === "" || isSentence || name.includes(owner) || /\.\w{1,4}$/.test(className);
  return cutText(oneLine(saysItself ? name : `${owner} > ${name}`), 1_000);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** Frames of runners and libraries: nobody looks for the mistake there. */
const FOREIGN_FRAME =
  /^\s*(?:at|❯) .*(?:node_modules\/|node:internal|node:async_hooks|<anonymous>\)?$|java\.base\/|org\.junit\.|junit\.framework\.)|^\s*\S.{0,200} \(node:(?:internal|async_hooks)[^)]{0,200}\)$|^\s*async Promise\.all \(index \d+\)$/;

function excerptOf({ message, details }: ReportedTest): string {
  const isRepeated = details.trimStart().startsWith(message.split("\n", 1)[0] ?? "");
  const text = isRepeated ? details : `${message}\n${details}`;
  const lines = stripAnsi(text)
    .split("\n")
    .map((line) => cutText(line.trimEnd(), EXCERPT_LINE_CHARACTERS_MAX))
    .filter((line) => !FOREIGN_FRAME.test(line));
  const start = lines.findIndex((line) => line !== "");
  return lines
    .slice(Math.max(0, start), Math.max(0, start) + EXCERPT_LINES_MAX)
    .join("\n")
    .trimEnd();
}

const SAYS_FAILED = /fail|not ok|error|[✗✘×✕❯●]/i;

/** The line that says that this test failed, else the first that names it. */
function lineNaming({ name }: ReportedTest, lines: readonly string[]): number | undefined {
  const wanted = name.split(" > ").at(-1)?.trim() ?? "";
  if (wanted.length < 3) return undefined;
  let first: number | undefined;
  for (const [index, line] of lines.entries()) {
    if (!line.includes(wanted)) continue;
    if (SAYS_FAILED.test(line.replace(wanted, ""))) return index;
    first ??= index;
  }
  return first;
}
