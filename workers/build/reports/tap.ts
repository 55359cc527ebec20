import { stripAnsi } from "../../../src/domain/log-text.ts";
import type { TestResult } from "../../../src/shared/build-messages.ts";
import { failurePlace } from "./failure-place.ts";
import { byLine } from "./lines.ts";
import { fittingTest, GrowingText } from "./report-parser.ts";
import type { ReportParser, ReportSink } from "./report-parser.ts";
import type { SourceTree } from "./source-tree.ts";
import { readableDiagnostic, yamlDiagnostic } from "./tap-yaml.ts";

/** A test whose line was read; what stands under it may still follow. */
interface OpenTest {
  readonly name: string;
  readonly isOk: boolean;
  readonly directive: Directive | undefined;
  readonly durationMs: number | null;
  readonly yaml: GrowingText;
  readonly notes: GrowingText;
  hasYaml: boolean;
  /** Names of the subtests and groups around it. */
  readonly group: string;
}

interface Directive {
  readonly kind: "skip" | "todo";
  readonly reason: string;
}

/** What is known of one depth of subtests. */
interface Level {
  readonly indent: number;
  /** From a `# Subtest:` line, or the line that opens a `{` block. */
  readonly name: string;
  /** Of this level, until the line of the test that they are part of tells its name. */
  readonly tests: TestResult[];
  group: string;
  planned: number | undefined;
  count: number;
}

const DEPTH_MAX = 50;
const BLOCK_INDENT = 4;
/** Each depth that a subtest rises through counts. */
const WAITING_MAX = 500_000;
const TEST_LINE = /^(not )?ok\b(?:[ \t]+(\d+)\b)?[ \t]*(?:-[ \t]+)?(.*)$/;
const PLAN_LINE = /^1\.\.(\d{1,7})(?:\s*#\s*(.*))?$/;

/**
 * TAP 12, 13 and 14: directives, YAML and comments under a failure, subtests by indentation with their
 * name before (`# Subtest:`), after (the line of the whole) or around them (`{ … }`).
 */
export function tapParser(sink: ReportSink, tree: SourceTree): ReportParser {
  const reader = new TapReader(sink, tree);
  const lines = byLine((line) => reader.line(line));
  return {
    write: lines.write,
    end: () => {
      lines.end();
      reader.end();
    },
  };
}

class TapReader {
  readonly #sink: ReportSink;
  readonly #tree: SourceTree;
  readonly #levels: [Level, ...Level[]] = [newLevel(0, "")];
  #test: OpenTest | undefined;
  #testIndent = 0;
  /** While a YAML block is read: how far it is indented. */
  #yamlIndent: number | undefined;
  #subtestName = "";
  #hasVersion = false;
  #isOver = false;

  constructor(sink: ReportSink, tree: SourceTree) {
    this.#sink = sink;
    this.#tree = tree;
  }

  line(raw: string): void {
    if (this.#isOver) return;
    const line = raw.trimStart();
    const indent = raw.length - line.length;
    if (this.#isYaml(raw, line, indent)) return;
    if (line.startsWith("#")) return this.#comment(line.slice(1).replace(/^ /, "").trimEnd());
    const match = TEST_LINE.exec(line);
    if (match !== null) return this.#testLine(indent, match);
    const plan = PLAN_LINE.exec(line);
    if (plan !== null) return this.#plan(indent, Number(plan[1]));
    if (line.trimEnd() === "}" && this.#levels.length > 1) return this.#closeBlock(indent);
    if (/^TAP version \d+/.test(line)) this.#hasVersion = true;
    else if (/^Bail out!/i.test(line)) {
      this.#sink.problem(`the run was given up: ${line.slice(9).trim().slice(0, 300)}`);
    } else if (line !== "") this.#note(raw);
  }

  end(): void {
    const open = this.#here.name;
    this.#giveAll(this.#closeTo(0), open);
    this.#finish();
    if (!this.#isOver) tellPlan(this.#levels[0], this.#sink);
  }

  get #here(): Level {
    return this.#levels.at(-1) ?? this.#levels[0];
  }

  #isYaml(raw: string, line: string, indent: number): boolean {
    const test = this.#test;
    if (test === undefined) return false;
    if (this.#yamlIndent !== undefined) {
      if (line.trimEnd() === "..." && indent <= this.#yamlIndent) this.#yamlIndent = undefined;
      else test.yaml.add(`${raw.slice(Math.min(indent, this.#yamlIndent))}\n`);
      return true;
    }
    if (line.trimEnd() !== "---" || indent <= this.#testIndent) return false;
    this.#yamlIndent = indent;
    test.hasYaml = true;
    return true;
  }

  #comment(text: string): void {
    const subtest = /^Subtest(?::\s*(.*))?$/.exec(text);
    if (subtest !== null) {
      this.#finish();
      this.#subtestName = unescaped(subtest[1] ?? "");
    } else if (this.#test !== undefined && !this.#test.isOk && !this.#test.hasYaml)
      this.#note(text);
    else if (this.#hasVersion && isGroup(text)) {
      this.#finish();
      this.#here.group = text;
    }
  }

  /** What a runner prints under a failure. */
  #note(text: string): void {
    if (this.#test !== undefined && !this.#test.isOk) this.#test.notes.add(`${text}\n`);
  }

  #testLine(indent: number, match: RegExpExecArray): void {
    const inner = this.#closeTo(indent);
    if (indent > this.#here.indent) this.#openLevel(indent, this.#subtestName);
    this.#here.count += 1;
    const { opensBlock, ...read } = readTestLine(match, this.#here.count);
    if (opensBlock) return this.#openLevel(indent + BLOCK_INDENT, read.name);
    this.#giveAll(inner, read.name);
    // The whole counts by its parts; it is told only if it failed and none of them did.
    const isTold =
      inner.length === 0 || (!read.isOk && !inner.some(({ state }) => state === "failed"));
    if (!isTold) return;
    const { group } = this.#here;
    this.#test = {
      ...read,
      group,
      yaml: new GrowingText(),
      notes: new GrowingText(),
      hasYaml: false,
    };
    this.#testIndent = indent;
  }

  #plan(indent: number, planned: number): void {
    this.#finish();
    if (indent > this.#here.indent) this.#openLevel(indent, this.#subtestName);
    if (this.#here.indent === indent) this.#here.planned = planned;
  }

  #openLevel(indent: number, name: string): void {
    this.#finish();
    if (this.#levels.length < DEPTH_MAX) this.#levels.push(newLevel(indent, name));
  }

  #closeBlock(indent: number): void {
    const { name } = this.#here;
    this.#giveAll(this.#closeTo(indent), name);
  }

  /** Closes what is deeper; its tests wait for the line that names them. */
  #closeTo(indent: number): readonly TestResult[] {
    this.#finish();
    const inner: (readonly TestResult[])[] = [];
    while (this.#levels.length > 1 && this.#here.indent > indent) {
      const closed = this.#levels.pop();
      if (closed === undefined) break;
      tellPlan(closed, this.#sink);
      inner.unshift(closed.tests);
    }
    return inner.flat();
  }

  #giveAll(results: readonly TestResult[], name: string): void {
    for (const result of results) {
      this.#give(fittingTest({ ...result, suite: joined(name, result.suite) }));
    }
  }

  #finish(): void {
    if (this.#test === undefined) return;
    const result = resultOf(this.#test, this.#tree);
    this.#test = undefined;
    this.#yamlIndent = undefined;
    this.#give(result);
  }

  #give(result: TestResult): void {
    if (this.#levels.length > 1) this.#waiting(result);
    else if (!this.#isOver) this.#isOver = !this.#sink.test(result);
  }

  /** Subtests wait for their name, as many as a build may have and no more. */
  #waiting(result: TestResult): void {
    this.#waitingCount += 1;
    if (this.#waitingCount <= WAITING_MAX) this.#here.tests.push(result);
  }

  #waitingCount = 0;
}

function newLevel(indent: number, name: string): Level {
  return { indent, name, tests: [], group: "", planned: undefined, count: 0 };
}

function tellPlan({ planned, count, name }: Level, sink: ReportSink): void {
  if (planned === undefined || planned === count) return;
  const where = name === "" ? "" : ` in "${name.slice(0, 200)}"`;
  sink.problem(`${planned} tests were planned${where}, ${count} ran`);
}

function joined(name: string, suite: string): string {
  return [name, suite].filter((part) => part !== "").join(" > ");
}

/** `# time=2.3ms` and directives stand behind the description, each after an unescaped `#`. */
function readTestLine([, not, number, rest = ""]: RegExpExecArray, count: number) {
  const block = /\{\s*$/.exec(rest);
  const body = block === null ? rest : rest.slice(0, block.index);
  const hash = indexOfHash(body);
  const description = unescaped((hash === -1 ? body : body.slice(0, hash)).trim());
  const behind = hash === -1 ? "" : body.slice(hash + 1).trim();
  const directive = /^(skip|todo)\w*[:\s-]*(.*)$/i.exec(behind);
  const time = /^time=([\d.]{1,20})ms/.exec(behind);
  return {
    name: description === "" ? `test ${number ?? count}` : description,
    opensBlock: block !== null,
    isOk: not === undefined,
    directive: directive?.[1] === undefined ? undefined : directiveOf(directive[1], directive[2]),
    durationMs: time === null ? null : Number(time[1]) || null,
  };
}

function directiveOf(word: string, reason = ""): Directive {
  return { kind: word.toLowerCase() === "skip" ? "skip" : "todo", reason: reason.trim() };
}

/** A `#` with a space before it that no backslash takes the meaning from. */
function indexOfHash(text: string): number {
  for (let at = text.indexOf("#"); at !== -1; at = text.indexOf("#", at + 1)) {
    const isDirective = /^#\s*(?:skip|todo|time=)/i.test(text.slice(at, at + 20));
    if (isDirective && (at === 0 || /\s/.test(text[at - 1] ?? ""))) return at;
  }
  return -1;
}

function unescaped(text: string): string {
  return text.replace(/\\([#\\])/g, "$1");
}

/** Tape and others name a group of assertions in a comment; sums and diagnostics are no names. */
function isGroup(text: string): boolean {
  return (
    /^\S/.test(text) &&
    !/^(?:tests|pass|fail|ok|skip|todo|suites|cancelled|duration_ms|time|failed|passed|skipped|looks like)\b/i.test(
      text,
    )
  );
}

function resultOf(test: OpenTest, tree: SourceTree): TestResult {
  const { name, isOk, directive, group } = test;
  const state =
    directive !== undefined && (directive.kind === "skip" || !isOk)
      ? "skipped"
      : isOk
        ? "passed"
        : "failed";
  const yaml = yamlDiagnostic(test.yaml.toString());
  const details = stripAnsi(test.yaml.toString().trim() || test.notes.toString()).trimEnd();
  const shown = test.hasYaml ? stripAnsi(readableDiagnostic(test.yaml.toString())) : details;
  const isFailed = state === "failed";
  const written = { file: yaml.file, line: yaml.line };
  const place = isFailed
    ? failurePlace({ text: `${yaml.at}\n${details}`, className: "", written }, tree)
    : { file: null, line: null };
  const firstNote = test.notes
    .toString()
    .split("\n")
    .find((line) => line.trim() !== "");
  return fittingTest({
    suite: group,
    className: "",
    name,
    state,
    durationMs: test.durationMs ?? yaml.durationMs,
    message: isFailed
      ? stripAnsi(yaml.message || (firstNote ?? "").trim())
      : state === "skipped"
        ? (directive?.reason ?? "")
        : "",
    details: isFailed ? shown : "",
    ...place,
  });
}
