import { PIPELINE_FILE } from "../domain/pipeline.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";

/** Column, from 0, in which the codes stand below each other. */
const CODE_COLUMN = 85;
const LINE_SHOWN_MAX = 120;
const CONTEXT_SHOWN = 20;
const PROBLEMS_SHOWN_MAX = 50;

/**
 * All problems as text, like a compiler's: place and message; the line; marks under what is wrong,
 * the hint and the code. `text` is the file as it was checked; empty when there is no line to show.
 */
export function formatProblems(
  text: string,
  problems: readonly PipelineProblem[],
  file: string = PIPELINE_FILE,
): string {
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX);
  const lines = text === "" ? [] : text.split("\n", 1 + Math.max(...shown.map(({ line }) => line)));
  const places = shown.map(({ line, column }) => `${file}:${line}:${column}`);
  const placeWidth = Math.max(...places.map((place) => place.length)) + 2;
  const blocks = shown.map((problem, index) => {
    const head = `${(places[index] ?? "").padEnd(placeWidth)}${display(problem.message)}${problem.isWarning ? " (warning)" : ""}`;
    return [head, ...excerpt(lines[problem.line - 1], problem)].join("\n");
  });
  return [...blocks, ...leftOut(problems), summary(problems)].join("\n");
}

function leftOut({ length }: readonly PipelineProblem[]): readonly string[] {
  return length > PROBLEMS_SHOWN_MAX ? [`… and ${length - PROBLEMS_SHOWN_MAX} more`] : [];
}

function summary(problems: readonly PipelineProblem[]): string {
  const warnings = problems.filter(({ isWarning }) => isWarning).length;
  const mistakes = problems.length - warnings;
  const counts = [counted(mistakes, "problem"), counted(warnings, "warning")].filter(Boolean);
  const outcome = mistakes === 0 ? "The build goes on." : "Nothing was built.";
  return `${counts.join(", ")}. ${outcome} Check again: tatara check`;
}

function counted(count: number, noun: string): string {
  if (count === 0) return "";
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

function excerpt(line: string | undefined, problem: PipelineProblem): readonly string[] {
  if (line === undefined) return [withCode(`     | ${display(problem.hint)}`, problem.code)];
  const start = problem.column - 1;
  const end = start + problem.length;
  // A line of a megabyte is shown around the place only.
  const from = end > LINE_SHOWN_MAX ? Math.max(0, start - CONTEXT_SHOWN) : 0;
  const to = from + LINE_SHOWN_MAX;
  const before = display(line.slice(from, start));
  const marked = Math.max(1, width(display(line.slice(start, Math.min(end, to)))));
  const number = String(problem.line).padStart(4);
  const source = display(line.slice(from, to)).trimEnd();
  return [
    `${number} | ${source}${line.length > to ? "…" : ""}`.trimEnd(),
    withCode(
      `     | ${" ".repeat(width(before))}${"^".repeat(marked)}  ${display(problem.hint)}`,
      problem.code,
    ),
  ];
}

function withCode(text: string, code: string): string {
  return `${text.padEnd(CODE_COLUMN - 2)}  ${code}`;
}

/** One character for each of the file's, none of which could steer a terminal or turn text around. */
function display(text: string): string {
  return (
    text
      .toWellFormed()
      .replaceAll("\t", " ")
      .replace(/\r$/, "")
      // oxlint-disable-next-line no-control-regex -- control characters are what is replaced here
      .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd")
  );
}

function width(text: string): number {
  return [...text].length;
}
