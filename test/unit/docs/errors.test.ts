import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { INFRA_FAULT_CODES, USER_FAULT_CODES } from "../../../src/domain/faults.ts";
import { PIPELINE_PROBLEM_CODES } from "../../../src/domain/pipeline-problem.ts";

const PAGE = readFileSync(new URL("../../../docs/reference/errors.md", import.meta.url), "utf8");
const SHARED: ReadonlySet<string> = new Set(USER_FAULT_CODES);
const ONLY_IN_FILES = PIPELINE_PROBLEM_CODES.filter((code) => !SHARED.has(code));

/** The codes under a heading of the page, with what is said of each. */
function entriesOf(part: string): ReadonlyMap<string, string> {
  const [, text = ""] = PAGE.split(`\n## ${part}\n`);
  const [own = ""] = text.split("\n## ");
  return new Map(
    own
      .split("\n### ")
      .slice(1)
      .map((entry) => [entry.split("\n", 1)[0] ?? "", entry]),
  );
}

describe.each([
  ["Your side", USER_FAULT_CODES],
  ["Our side, or the network's", INFRA_FAULT_CODES],
  ["Mistakes in .tatara.yml", ONLY_IN_FILES],
])("%s", (part, codes) => {
  const entries = entriesOf(part);

  test("explains each code, and no other", () => {
    expect([...entries.keys()].toSorted()).toEqual([...codes].toSorted());
  });

  test.each([...entries])("%s says what happened and what to do", (_, entry) => {
    expect(entry).toMatch(/^[A-Z_]+\n\n[^\n]{10,}(?:\n[^\n]+)*\nTo do\b/);
  });
});

test("a code has one entry", () => {
  const headings = PAGE.match(/^### .*$/gm) ?? [];

  expect(headings).toHaveLength(new Set(headings).size);
});
