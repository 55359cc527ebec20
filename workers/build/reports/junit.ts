import { stripAnsi } from "../../../src/domain/log-text.ts";
import type { TestResult } from "../../../src/shared/build-messages.ts";
import { failurePlace } from "./failure-place.ts";
import { fittingTest, GrowingText, millisecondsOf } from "./report-parser.ts";
import type { ReportSink } from "./report-parser.ts";
import type { SourceTree } from "./source-tree.ts";
import type { XmlHandler } from "./xml-reader.ts";

type Attributes = Readonly<Record<string, string>>;

interface Suite {
  readonly name: string;
  readonly file: string | null;
  hasFailed: boolean;
}

/** What a runner says about a test, beside its attributes. */
interface Finding {
  readonly kind: "failure" | "error" | "skipped" | "retried" | "output";
  readonly type: string;
  readonly message: string;
  readonly text: GrowingText;
}

interface OpenTest {
  readonly attributes: Attributes;
  readonly findings: Finding[];
}

const FINDINGS: Readonly<Record<string, Finding["kind"]>> = {
  failure: "failure",
  error: "error",
  skipped: "skipped",
  // Surefire and nextest: it failed at first, and was tried again.
  flakyFailure: "retried",
  flakyError: "retried",
  rerunFailure: "retried",
  rerunError: "retried",
  "system-out": "output",
  "system-err": "output",
};

const FINDINGS_MAX = 50;

/**
 * JUnit XML in all its dialects: one or many suites, nested or not, places in attributes or in the
 * text, results as elements or as `status`.
 */
export function junitReader(sink: ReportSink, tree: SourceTree): XmlHandler {
  const suites: Suite[] = [];
  let test: OpenTest | undefined;
  let finding: Finding | undefined;
  let inFinding = 0;
  /** Of a suite, outside its tests: it could not be run at all. */
  let suiteProblem: Finding | undefined;

  const openTest = (attributes: Attributes): void => {
    test = { attributes, findings: [] };
  };
  const openFinding = (name: string, attributes: Attributes): void => {
    const kind = FINDINGS[name];
    if (kind === undefined) return;
    finding = {
      kind,
      type: attributes["type"] ?? "",
      message: attributes["message"] ?? "",
      text: new GrowingText(),
    };
    inFinding = 1;
    if (test !== undefined) {
      if (test.findings.length < FINDINGS_MAX) test.findings.push(finding);
    } else if (kind === "failure" || kind === "error") suiteProblem ??= finding;
  };
  const closeTest = (): boolean => {
    if (test === undefined) return true;
    const result = testOf(test, suites, tree);
    test = undefined;
    const suite = suites.at(-1);
    if (suite !== undefined && (result.state === "failed" || result.state === "errored")) {
      suite.hasFailed = true;
    }
    return sink.test(result);
  };
  const closeSuite = (): void => {
    const suite = suites.pop();
    const parent = suites.at(-1);
    if (parent !== undefined && suite?.hasFailed) parent.hasFailed = true;
    if (suite !== undefined && suiteProblem !== undefined && !suite.hasFailed) {
      const broken = { attributes: { name: suite.name }, findings: [suiteProblem] };
      sink.test(testOf(broken, [...suites, suite], tree));
    }
    suiteProblem = undefined;
  };
  let isFull = false;

  return {
    open: (name, attributes) => {
      if (isFull) return false;
      if (finding !== undefined) inFinding += 1;
      else if (name === "testsuite") {
        suites.push({
          name: attributes["name"] ?? "",
          file: attributes["file"] ?? attributes["filepath"] ?? null,
          hasFailed: false,
        });
      } else if (name === "testcase") openTest(attributes);
      else openFinding(name, attributes);
      return undefined;
    },
    close: (name) => {
      if (finding !== undefined) {
        inFinding -= 1;
        if (inFinding === 0) finding = undefined;
      } else if (name === "testcase") isFull = !closeTest();
      else if (name === "testsuite") closeSuite();
    },
    text: (text) => {
      finding?.text.add(text);
    },
    // Of a test in whose middle the runner was killed nothing is known: it is left out.
  };
}

function testOf({ attributes, findings }: OpenTest, suites: readonly Suite[], tree: SourceTree) {
  const className = attributes["classname"] ?? attributes["class"] ?? "";
  const state = stateOf(attributes, findings);
  const blamed = findings.filter(({ kind }) => kind !== "output" && kind !== "retried");
  const retried = findings.filter(({ kind }) => kind === "retried");
  const hasFailed = state === "failed" || state === "errored";
  const told = hasFailed || state === "skipped" ? [...blamed, ...retried] : retried;
  const text = told.map(({ text: one, message }) => one.toString().trim() || message).join("\n\n");
  const details = hasFailed ? stripAnsi(withOutput(text, findings)) : "";
  const written = {
    file:
      attributes["file"] ??
      attributes["filepath"] ??
      suites.findLast(({ file }) => file)?.file ??
      null,
    line: lineOf(attributes, suites),
  };
  const place = hasFailed
    ? failurePlace({ text: details, className, written }, tree)
    : { file: fileOf(written.file, className, tree), line: written.line };
  return fittingTest({
    suite: suiteName(suites),
    className,
    name: attributes["name"] ?? "",
    state,
    durationMs: millisecondsOf(attributes["time"] ?? attributes["duration"]),
    message: stripAnsi(messageOf(told, details, attributes["name"] ?? "")),
    details: details.trim(),
    ...place,
  });
}

function fileOf(written: string | null, className: string, tree: SourceTree): string | null {
  return written === null ? null : (tree.find(written, className) ?? null);
}

const SKIPPED_STATUS = /^(?:disabled|notrun|skipped|ignored|suppressed|pending)$/i;

function stateOf(attributes: Attributes, findings: readonly Finding[]): TestResult["state"] {
  const has = (kind: Finding["kind"]): boolean => findings.some((one) => one.kind === kind);
  // A test that is known to fail (node's `todo`) has a failure and says that it does not count.
  if (findings.some(({ kind, type }) => kind === "skipped" && type === "todo")) return "skipped";
  if (has("error")) return "errored";
  if (has("failure")) return "failed";
  const status = attributes["status"] ?? "";
  if (
    has("skipped") ||
    SKIPPED_STATUS.test(status) ||
    SKIPPED_STATUS.test(attributes["result"] ?? "")
  ) {
    return "skipped";
  }
  if (/^(?:fail|failed|failure)$/i.test(status)) return "failed";
  return /^errors?(?:ed)?$/i.test(status) ? "errored" : "passed";
}

/** Some write the failure's text (ctest), or all that matters of it (cargo), as the test's output. */
function withOutput(text: string, findings: readonly Finding[]): string {
  const output = findings
    .filter(({ kind }) => kind === "output")
    .map(({ text: one }) => one.toString().trim())
    .filter((one) => one !== "")
    .join("\n");
  if (output === "") return text;
  return text === "" ? output : `${text}\n\n${output}`;
}

/** Go and others write no more than this: then the first line that says something is the message. */
const EMPTY_MESSAGE = /^(?:failed|failure|error|true|assert(?:ionerror)?|test failed)?\.?$/i;
/** Marks of runners, and lines that are nothing but a place. */
const SAYS_NOTHING =
  /^(?:=== |--- |\[|Running main|thread '|stack backtrace|\(in test file |● Test suite failed|\S+:\d+(?::\d+)?(?:: Failure)?$|$)/;

function messageOf(told: readonly Finding[], details: string, name: string): string {
  const written = told.find(({ message }) => !EMPTY_MESSAGE.test(message.trim()))?.message ?? "";
  const text = written || details || (told[0]?.text.toString() ?? "");
  const lines = text.trim().split("\n", 200);
  const first = lines.findIndex((line) => !SAYS_NOTHING.test(line.trim()) && !isTitle(line, name));
  if (first === -1) return told[0]?.message ?? "";
  return written === "" ? (lines[first]?.trim() ?? "") : lines.slice(first).join("\n");
}

/** PHPUnit begins with the test's own name. */
function isTitle(line: string, name: string): boolean {
  return name !== "" && /^[\w\\]+::/.test(line) && line.includes(name);
}

/** Pytest counts lines from 0. */
function lineOf(attributes: Attributes, suites: readonly Suite[]): number | null {
  const line = Number(attributes["line"] ?? attributes["lineno"] ?? Number.NaN);
  const isFromZero = suites.some(({ name }) => name === "pytest");
  const counted = isFromZero ? line + 1 : line;
  return Number.isSafeInteger(counted) && counted > 0 ? counted : null;
}

/**
 * Names of the suites around a test. A folder of the machine is no name, and a suite that repeats its
 * parent's name (PHPUnit's data sets) takes its place.
 */
function suiteName(suites: readonly Suite[]): string {
  const names: string[] = [];
  for (const { name } of suites) {
    if (name === "" || name === "(empty)" || name.startsWith("/")) continue;
    const last = names.at(-1);
    if (last !== undefined && name.startsWith(last)) names.pop();
    names.push(name);
  }
  return names.join(" > ");
}
