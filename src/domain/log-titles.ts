import { cutText } from "./log-text.ts";

const LINE_LENGTH_MAX = 1_000;
const TITLE_LENGTH_MAX = 200;

const ANY_MARK = /not ok|FAIL|Failed|[✗✘✖×❌●]/;

/** How runners mark the line that names a failed test, at its start … */
const MARKS = [
  /^not ok\b(?:\s*\d+)?/, // TAP
  /^-{3} FAIL:/,
  /^\[\s*(?:FAIL|FAILED)\s*\]/,
  /^(?:FAIL|FAILED)(?::|\s)/,
  /^[✗✘✖×❌](?:\ufe0f)?\s/,
  /^●(?=.*›)/, // A bullet is a mark only where groups and tests are told apart.
] as const;

/** … or at its end. Only this much of the end is looked at. */
const ENDING_LENGTH_MAX = 120;
const ENDINGS = [
  /\.{2,}\s*\**\s*(?:FAIL|FAILED|Failed)\b.{0,40}$/,
  /\s(?:FAIL|FAILED)(?:\s+\[\s*\d+%\])?$/,
  /\s(?:FAIL|TIMEOUT|ERROR)\s+\d+(?:\.\d+)?s\b.{0,60}$/, // meson
] as const;

/** The name of the failed test that a line of a log announces, without marks, numbers and times. */
export function testTitle(line: string): string | undefined {
  const start = line.slice(0, LINE_LENGTH_MAX);
  if (!ANY_MARK.test(start)) return undefined; // Most lines; this keeps long logs quick.
  const text = start.trim().replace(/\s+/g, " ");
  const named = afterMark(text) ?? beforeEnding(text);
  if (named === undefined) return undefined;
  const title = cutText(cleaned(named), TITLE_LENGTH_MAX);
  return isName(title) ? title : undefined;
}

function afterMark(text: string): string | undefined {
  for (const mark of MARKS) {
    const found = mark.exec(text);
    // A failure that the runner was told to expect is none.
    if (found) return / # (?:todo|skip)\b/i.test(text) ? undefined : text.slice(found[0].length);
  }
  return undefined;
}

function beforeEnding(text: string): string | undefined {
  const skipped = Math.max(0, text.length - ENDING_LENGTH_MAX);
  for (const ending of ENDINGS) {
    const found = ending.exec(text.slice(skipped));
    if (found) return text.slice(0, skipped + found.index);
  }
  return undefined;
}

function cleaned(text: string): string {
  return text
    .trim()
    .replace(/^\[fail\]: */, "")
    .replace(/^[-–—:] */, "")
    .replace(/^\d+\/\d+ (?!Test #)/, "")
    .replace(/^(?:#\d+[:.)]?|\d+[.)]|\d+ [-–—:]) /, "")
    .replace(/ # (?:time|duration)\b.*$/i, "")
    .replace(/ ?[([]\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|sec|seconds?|m|min)[)\]]$/, "")
    .replace(/ \d+(?:\.\d+)? ?(?:ms|s)$/, "");
}

const COUNTS = [
  /^\(?(?:failures?|errors?|tests?|suites?|total) ?[:=]? ?\d+\b/i,
  /^\d+ (?:tests?|suites?|cases?|failed|failures?|failing|errors?|of \d+)\b/i,
  /^(?:failed|failing) (?:tests?|suites?)\b.{0,5}$/i,
] as const;

/** Lines that count failures, or stand above a list of them, are marked like those that name one. */
function isName(title: string): boolean {
  return /\p{L}/u.test(title) && !COUNTS.some((count) => count.test(title));
}
