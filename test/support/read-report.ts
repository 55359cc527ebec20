import type { TestResult } from "../../src/shared/build-messages.ts";
import { reportReader } from "../../workers/build/reports/parse-report.ts";
import { ANY_SOURCE, type SourceTree } from "../../workers/build/reports/source-tree.ts";

export interface ReadReport {
  readonly tests: TestResult[];
  readonly coverage: { readonly covered: number; readonly total: number }[];
  readonly problems: string[];
}

/** Reads one report, in pieces of a size. */
export function readReport(
  bytes: Uint8Array,
  {
    piece = 1 << 20,
    tree = ANY_SOURCE,
    most = Number.POSITIVE_INFINITY,
  }: { piece?: number; tree?: SourceTree; most?: number } = {},
): ReadReport {
  const found: ReadReport = { tests: [], coverage: [], problems: [] };
  const reader = reportReader(
    {
      test: (test) => {
        if (found.tests.length >= most) return false;
        found.tests.push(test);
        return true;
      },
      coverage: (covered, total) => void found.coverage.push({ covered, total }),
      problem: (text) => void found.problems.push(text),
    },
    tree,
  );
  for (let at = 0; at < bytes.length; at += piece) reader.write(bytes.subarray(at, at + piece));
  reader.end();
  return found;
}
