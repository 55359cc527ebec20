import { guessPipeline } from "../domain/pipeline-guess.ts";
import { PIPELINE_FILE } from "../domain/pipeline.ts";
import type { CommitTree, Pipeline, ServerNames } from "../domain/pipeline.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import { textForDisplay } from "./pipeline-encoding.ts";
import { checkPipelineMeaning } from "./pipeline-meaning.ts";
import { formatProblems } from "./pipeline-problems.ts";
import { readPipelineShape } from "./pipeline-shape.ts";
import { readPipelineText } from "./pipeline-text.ts";

/** What a commit asks for. */
export type PipelineReading =
  | {
      readonly kind: "pipeline";
      readonly pipeline: Pipeline;
      /** One line about a guess, where there is no file; else null. */
      readonly note: string | null;
      /** What stops nothing, in the order of the file. */
      readonly warnings: readonly PipelineProblem[];
    }
  | { readonly kind: "nothing-to-do"; readonly reason: string }
  | {
      readonly kind: "invalid";
      readonly file: string;
      /** Mistakes, and warnings among them, in the order of the file. */
      readonly problems: readonly [PipelineProblem, ...PipelineProblem[]];
      /** All problems as text, like a compiler's. */
      readonly report: string;
    };

/** More than anybody reads, and no more than a plan may carry. */
const WARNINGS_MAX = 500;
const MISNAMED_FILE = ".tatara.yaml";

/**
 * Reads the pipeline file, or guesses where the commit has none (`bytes` undefined). What the commit's
 * files say is checked if `tree` can read them, what the server has if `names` tells it.
 */
export function readPipeline(
  bytes: Uint8Array | undefined,
  tree: CommitTree,
  names?: ServerNames,
): PipelineReading {
  if (bytes === undefined) return readWithoutFile(tree);
  const { pipeline, problems } = parsePipelineFile(bytes, tree, names);
  if (pipeline !== undefined) {
    const warnings = problems.slice(0, WARNINGS_MAX);
    return { kind: "pipeline", pipeline, note: null, warnings };
  }
  return invalid(PIPELINE_FILE, textForDisplay(bytes), problems);
}

/** Files of the commit whose text decides something: `tree.read` should know them. */
export function filesToRead(bytes: Uint8Array | undefined, tree: CommitTree): readonly string[] {
  const asked = new Set<string>();
  const read = (path: string): undefined => void asked.add(path);
  readPipeline(bytes, {
    has: (path) => tree.has(path),
    files: () => tree.files(),
    shortSha: tree.shortSha,
    read,
  });
  return [...asked].slice(0, FILES_READ_MAX);
}

const FILES_READ_MAX = 50;

function readWithoutFile(tree: CommitTree): PipelineReading {
  if (tree.has(MISNAMED_FILE)) return invalid(MISNAMED_FILE, "", [misnamed()]);
  const guess = guessPipeline(tree);
  if ("nothingToDo" in guess) return { kind: "nothing-to-do", reason: guess.nothingToDo };
  return { kind: "pipeline", ...guess, warnings: [] };
}

function misnamed(): PipelineProblem {
  return {
    code: "FILE_NAME",
    line: 1,
    column: 1,
    length: 1,
    message: "this name is not read",
    hint: `\`git mv ${MISNAMED_FILE} ${PIPELINE_FILE}\``,
    isWarning: false,
  };
}

function invalid(
  file: string,
  text: string,
  [first, ...others]: readonly PipelineProblem[],
): PipelineReading {
  if (first === undefined) throw new Error("A refused pipeline file has at least one problem.");
  const problems = [first, ...others] as const;
  return { kind: "invalid", file, problems, report: formatProblems(text, problems, file) };
}

/**
 * Checks the file in three layers: text, shape, meaning against the commit. A mistake in the text
 * ends the check; the other two report together, one message per mistake, in the order of the file.
 * There is a pipeline exactly when all problems are warnings.
 */
export function parsePipelineFile(
  bytes: Uint8Array,
  tree: CommitTree,
  names?: ServerNames,
): { pipeline: Pipeline | undefined; problems: readonly PipelineProblem[] } {
  const text = readPipelineText(bytes);
  if (text.kind === "refused") return { pipeline: undefined, problems: [text.problem] };

  const { source } = text;
  const shape = readPipelineShape(text.root, source);
  const { pipeline, problems: meant } = checkPipelineMeaning(shape.root, { tree, names, source });
  const problems = inOrder([...shape.problems, ...meant]);
  const isRight = problems.every(({ isWarning }) => isWarning);
  return { pipeline: isRight ? pipeline : undefined, problems };
}

/** What the top level says is read again for each step, and told once. */
function inOrder(problems: readonly PipelineProblem[]): readonly PipelineProblem[] {
  const once = new Map(
    problems.map((problem) => {
      const { line, column, code, message } = problem;
      return [`${line}:${column} ${code} ${message}`, problem];
    }),
  );
  return [...once.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}
