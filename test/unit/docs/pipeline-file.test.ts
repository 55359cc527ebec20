import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PIPELINE_KEYS } from "../../../src/domain/pipeline-keys.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
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

test("the page's table of keys is the table of keys", () => {
  const rows = [...PAGE.matchAll(/^\| `([a-z-]+)` \| (.*) \| (.*) \| (.*) \|$/gm)];

  expect(
    rows.map(([, key, takes, whenNotSet, meaning]) => [key, takes, whenNotSet, meaning]),
  ).toEqual(PIPELINE_KEYS.map((row) => [row.key, row.takes, row.default, row.meaning]));
});

test("each key has a section", () => {
  for (const { key } of PIPELINE_KEYS) expect(PAGE).toContain(`\n### ${key}\n`);
});

test.each(PIPELINE_KEYS.map(({ key, example }) => [key, example]))(
  "the example of %s is right as it stands",
  (key, example) => {
    // A channel alone would publish nothing.
    const file = key === "publish" ? `package: hello.spec\n${example}\n` : `${example}\n`;

    expect(problemsOf(file)).toEqual([]);
  },
);

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
