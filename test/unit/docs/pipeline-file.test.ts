import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { withTables } from "../../../scripts/pipeline-tables.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
import { PIPELINE_PLACES } from "../../../src/domain/pipeline-types.ts";
import { RESERVED_ENV } from "../../../src/domain/reserved-env.ts";
import { parsePipelineFile } from "../../../src/shared/pipeline-file.ts";
import { formatProblems } from "../../../src/shared/pipeline-problems.ts";

const PAGE = readFileSync(
  new URL("../../../docs/reference/pipeline-file.md", import.meta.url),
  "utf8",
);
const FILES = [
  "Dockerfile",
  "ci/Dockerfile",
  "hello.spec",
  "rpm/hello.spec",
  "libs/common/go.mod",
  "services/api/Dockerfile",
  "services/api/api.spec",
];
const TREE: CommitTree = {
  has: (path) => FILES.includes(path),
  files: () => FILES,
  shortSha: "3f2a9c1",
};

function problemsOf(text: string): readonly string[] {
  return parsePipelineFile(new TextEncoder().encode(text), TREE).problems.map(({ code }) => code);
}

test("the page's tables of keys are those of the source; `npm run docs` writes them", () => {
  const tables = [...PAGE.matchAll(/<!-- keys: ([a-z-]+) -->/g)].map(([, place]) => place);

  expect(tables).toEqual(expect.arrayContaining([...PIPELINE_PLACES]));
  expect(withTables(PAGE)).toBe(PAGE);
});

test("every link to a section of the page leads somewhere", () => {
  const anchors = [...PAGE.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title.toLowerCase().replaceAll(" ", "-"),
  );
  const links = [...PAGE.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor = ""]) => anchor);

  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((link) => !anchors.includes(link))).toEqual([]);
});

test("the page names each variable that Tatara sets", () => {
  expect([...RESERVED_ENV].filter((name) => !PAGE.includes(`\`${name}\``))).toEqual([]);
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
