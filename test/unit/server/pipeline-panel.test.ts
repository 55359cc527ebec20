import { expect, test } from "vitest";
import type { PipelineProblem } from "../../../src/domain/pipeline-problem.ts";
import {
  guessedFile,
  isRefusedFile,
  pipelinePanel,
} from "../../../src/server/pages/pipeline-panel.ts";

function problem(some: Partial<PipelineProblem>): PipelineProblem {
  return {
    code: "KEY_UNKNOWN",
    line: 1,
    column: 1,
    length: 1,
    message: "m",
    hint: "h",
    isWarning: false,
    ...some,
  };
}

function fileOf(text: string, ...problems: readonly PipelineProblem[]) {
  return { file: { name: ".tatara.yml", text, problems } };
}

/** Markup without the spaces that formatting puts into tags. */
const markupOf = (panel: { readonly markup: string }): string => panel.markup.replace(/\s+>/g, ">");

const numbersIn = (markup: string): readonly string[] =>
  [...markup.matchAll(/class="file-number">(\d+)</g)].map(([, number = ""]) => number);

test("of a long file the lines around each mistake are shown", () => {
  const text = Array.from({ length: 500 }, (_, index) => `# ${index + 1}\n`).join("");
  const file = fileOf(text, problem({ line: 2 }), problem({ line: 300 }), problem({ line: 500 }));

  const { markup } = pipelinePanel(file);

  expect(numbersIn(markup)).toEqual(
    [1, 2, 3, 4, 5, 297, 298, 299, 300, 301, 302, 303, 497, 498, 499, 500].map(String),
  );
  expect(markup.match(/file-gap/g)).toHaveLength(2);
});

test("two mistakes in one line are both marked, in their order, and both told", () => {
  const text = "a: [bb, cc]\n";
  const second = problem({ column: 9, length: 2, message: "no cc" });
  const first = problem({ column: 5, length: 2, message: "no bb", isWarning: true });

  const markup = markupOf(pipelinePanel(fileOf(text, second, first)));

  expect(markup).toContain(
    'a: [<mark class="is-warning">bb</mark>, <mark class="is-mistake">cc</mark>]',
  );
  expect(markup).toContain("1 problem, 1 warning");
  expect([markup.includes("no bb"), markup.includes("no cc")]).toEqual([true, true]);
});

test("a line of a megabyte is shown around its mistake", () => {
  const text = `${"x".repeat(500_000)}!${"y".repeat(500_000)}`;

  const markup = markupOf(pipelinePanel(fileOf(text, problem({ column: 500_001 }))));

  expect(markup).toContain('<mark class="is-mistake">!</mark>');
  expect(markup.length).toBeLessThan(3_000);
});

test("what the file says is text, whatever it looks like", () => {
  const text = "<script>\u202e\u0007: &\n";

  const { markup } = pipelinePanel(fileOf(text, problem({ message: "<b>", hint: "<i>" })));

  const raw = ["<script>", "<b><bdi><b>", "<i>", "\u202e", "\u0007"];
  expect(raw.filter((one) => markup.includes(one))).toEqual([]);
});

test("a mistake at a place that the text does not have is told all the same", () => {
  const { markup } = pipelinePanel(fileOf("", problem({ line: 3, message: "there is nothing" })));

  expect(markup).toContain("there is nothing");
});

test("warnings are folded away and refuse nothing; without any there is no panel", () => {
  const warned = fileOf("a: b\n", problem({ isWarning: true }));

  expect(pipelinePanel(warned).markup).toMatch(/^<details/);
  expect([isRefusedFile(warned), isRefusedFile(fileOf("a", problem({})))]).toEqual([false, true]);
  expect(pipelinePanel(fileOf("a: b\n")).markup).toBe("");
  expect(pipelinePanel({ file: null }).markup).toBe("");
});

test("a guess is shown as a file only while there is none", () => {
  expect(guessedFile({ file: null, guess: "image: <x>\n" }).markup).toContain("image: &lt;x&gt;");
  expect(guessedFile({ ...fileOf("a: b"), guess: "image: a\n" }).markup).toBe("");
  expect(guessedFile({ file: null }).markup).toBe("");
});
