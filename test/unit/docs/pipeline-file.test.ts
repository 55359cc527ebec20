import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { keyAt, keysAt } from "../../../src/domain/pipeline-keys.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
import { takes } from "../../../src/domain/pipeline-types.ts";
import { parsePipelineFile } from "../../../src/shared/pipeline-file.ts";
import { formatProblems } from "../../../src/shared/pipeline-problems.ts";

const PAGE = readFileSync(
  new URL("../../../docs/reference/pipeline-file.md", import.meta.url),
  "utf8",
);
const FILES = ["Dockerfile", "ci/Dockerfile", "hello.spec", "rpm/hello.spec"];
const TREE: CommitTree = {
  has: (path) => FILES.includes(path),
  files: () => FILES,
  shortSha: "3f2a9c1",
};

function problemsOf(text: string): readonly string[] {
  return parsePipelineFile(new TextEncoder().encode(text), TREE).problems.map(({ code }) => code);
}

test("the page's table of keys says what the table of keys does", () => {
  const rows = [...PAGE.matchAll(/^\| `([a-z-]+)` \| (.*) \| (.*) \| (.*) \|$/gm)];

  expect(rows.length).toBeGreaterThan(3);
  for (const [, name = "", taken, whenNotSet, meaning] of rows) {
    const row = keyAt("top", name);
    expect([taken, whenNotSet, meaning]).toEqual([
      row && takes(row.type),
      row?.default,
      row?.meaning,
    ]);
  }
});

test("a section is about a key", () => {
  const keys = keysAt("top").map(({ key }) => key);
  const sections = [...PAGE.matchAll(/^### (.*)$/gm)].map(([, name]) => name);

  expect(sections.filter((name) => !keys.some((key) => key === name))).toEqual([]);
});

test("the page's examples are right, those of errors as the parser prints them", () => {
  const blocks = [...PAGE.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = ""]) => text);
  const files = blocks.flatMap((text) => (isAlternatives(text) ? text.trim().split("\n") : [text]));

  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    const problems = problemsOf(file).filter((code) => code !== "PUBLISH_NOTHING");
    expect(`${file}${problems.join()}`).toBe(file);
  }
  const wrong = "image: Dockerfile\ntests: make check\n";
  const { problems } = parsePipelineFile(new TextEncoder().encode(wrong), TREE);
  const report = formatProblems(wrong, problems);
  expect(PAGE).toContain(report.slice(0, report.lastIndexOf("\n")));
});

/** Lines that all set the same key show different ways to set it. */
function isAlternatives(text: string): boolean {
  const keys = text
    .trim()
    .split("\n")
    .map((line) => line.split(":", 1)[0]);
  return keys.length > 1 && new Set(keys).size === 1;
}
