import { guessPipeline } from "../domain/pipeline-guess.ts";
import { PIPELINE_FILE } from "../domain/pipeline.ts";
import type { CommitTree, Pipeline, PipelineProblem } from "../domain/pipeline.ts";
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
    }
  | { readonly kind: "nothing-to-do"; readonly reason: string }
  | {
      readonly kind: "invalid";
      readonly file: string;
      readonly problems: readonly [PipelineProblem, ...PipelineProblem[]];
      /** All problems as text, like a compiler's. */
      readonly report: string;
    };

const MISNAMED_FILE = ".tatara.yaml";

/** Reads the pipeline file, or guesses where the commit has none (`bytes` undefined). */
export function readPipeline(bytes: Uint8Array | undefined, tree: CommitTree): PipelineReading {
  if (bytes === undefined) return readWithoutFile(tree);
  const { pipeline, problems } = parsePipelineFile(bytes, tree);
  if (pipeline !== undefined) return { kind: "pipeline", pipeline, note: null };
  return invalid(PIPELINE_FILE, textForDisplay(bytes), problems);
}

function readWithoutFile(tree: CommitTree): PipelineReading {
  if (tree.has(MISNAMED_FILE)) return invalid(MISNAMED_FILE, "", [misnamed()]);
  const guess = guessPipeline(tree);
  if ("nothingToDo" in guess) return { kind: "nothing-to-do", reason: guess.nothingToDo };
  return { kind: "pipeline", ...guess };
}

function misnamed(): PipelineProblem {
  return {
    code: "FILE_NAME",
    line: 1,
    column: 1,
    length: 1,
    message: "this name is not read",
    hint: `\`git mv ${MISNAMED_FILE} ${PIPELINE_FILE}\``,
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
 * There is a pipeline exactly when there is no problem.
 */
export function parsePipelineFile(
  bytes: Uint8Array,
  tree: CommitTree,
): { pipeline: Pipeline | undefined; problems: readonly PipelineProblem[] } {
  const text = readPipelineText(bytes);
  if (text.kind === "refused") return { pipeline: undefined, problems: [text.problem] };

  const shape = readPipelineShape(text.root);
  const { pipeline, problems: meant } = checkPipelineMeaning(shape, tree);
  const problems = [...shape.problems, ...meant].toSorted(
    (a, b) => a.line - b.line || a.column - b.column,
  );
  return { pipeline: problems.length === 0 ? pipeline : undefined, problems };
}
