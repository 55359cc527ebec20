import type { ReportsMessage, TestResult } from "../../../src/shared/build-messages.ts";
import type { ReportBudget } from "./report-budget.ts";
import type { ReportSink } from "./report-parser.ts";

export interface TestCounts {
  passed: number;
  failed: number;
  errored: number;
  skipped: number;
}

const PART_TESTS_MAX = 5_000;
/** A message stays below what the server takes, whatever its text is escaped to. */
const PART_CHARACTERS_MAX = 500_000;
const PROBLEMS_MAX = 50;
const FILES_MAX = 1_000;
const FAILED_MAX = 1_000;

/** Gathers what the parsers find into messages of a bounded size, which `flush` sends. */
export interface ReportParts {
  /** The sink of one file; its name stands in the problems. */
  sinkFor(path: string): ReportSink;
  problem(text: string): void;
  /** Sends what is more than a part. */
  flush(): Promise<void>;
  /** Sends the rest, with the coverage and what went wrong. */
  end(): Promise<void>;
  readonly files: readonly string[];
  readonly counts: Readonly<TestCounts>;
  /** The first that failed, for the card. */
  readonly failed: readonly TestResult[];
  readonly coverage: ReportsMessage["coverage"];
  readonly problems: readonly string[];
}

export function gatherParts(
  budget: ReportBudget,
  send: (message: ReportsMessage) => void | Promise<void>,
): ReportParts {
  const files: string[] = [];
  const problems: string[] = [];
  const failed: TestResult[] = [];
  const counts: TestCounts = { passed: 0, failed: 0, errored: 0, skipped: 0 };
  let coverage: ReportsMessage["coverage"] = null;
  let waiting: TestResult[] = [];
  let waitingCharacters = 0;
  let full: TestResult[][] = [];
  let part = 0;
  let isFull = false;

  const problem = (text: string): void => {
    if (problems.length < PROBLEMS_MAX) problems.push(text.slice(0, 1_000));
  };
  const take = (test: TestResult): boolean => {
    if (budget.testsLeft <= 0) {
      if (!isFull) problem("a build may have 100,000 tests: the rest is left out");
      isFull = true;
      return false;
    }
    budget.testsLeft -= 1;
    counts[test.state] += 1;
    const isBad = test.state === "failed" || test.state === "errored";
    if (isBad && failed.length < FAILED_MAX) failed.push(test);
    waiting.push(test);
    waitingCharacters += charactersOf(test);
    if (waiting.length >= PART_TESTS_MAX || waitingCharacters >= PART_CHARACTERS_MAX) {
      full.push(waiting);
      waiting = [];
      waitingCharacters = 0;
    }
    return true;
  };
  const message = (tests: TestResult[], isLast: boolean): ReportsMessage => ({
    part: part++,
    isLast,
    files: isLast ? files.slice(0, FILES_MAX) : [],
    tests,
    coverage: isLast ? coverage : null,
    problems: isLast ? problems : [],
  });

  return {
    sinkFor: (path) => {
      files.push(path);
      return {
        test: take,
        coverage: (covered, total) => {
          if (total === 0) return;
          const { linesCovered = 0, linesTotal = 0 } = coverage ?? {};
          coverage = { linesCovered: linesCovered + covered, linesTotal: linesTotal + total };
        },
        problem: (text) => problem(`${path}: ${text}`),
      };
    },
    problem,
    flush: async () => {
      const ready = full;
      full = [];
      for (const tests of ready) await send(message(tests, false));
    },
    end: async () => {
      for (const tests of full) await send(message(tests, false));
      full = [];
      await send(message(waiting, true));
      waiting = [];
    },
    files,
    counts,
    failed,
    get coverage() {
      return coverage;
    },
    problems,
  };
}

function charactersOf({ suite, className, name, message, details }: TestResult): number {
  return suite.length + className.length + name.length + message.length + details.length + 100;
}
