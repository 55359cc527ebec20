import { PIPELINE_KEYS } from "../domain/pipeline-keys.ts";
import { readPipelineShape } from "./pipeline-shape.ts";
import { readPipelineText } from "./pipeline-text.ts";

/** A key of old that was given its new name. */
export interface KeyFix {
  readonly line: number;
  readonly from: string;
  readonly to: string;
}

/**
 * Gives retired keys their new names. Nothing else of the text is touched: comments, order, quotes and
 * line ends stay. A file that is no YAML stays as it is.
 */
export function fixPipelineText(text: string): {
  readonly text: string;
  readonly fixes: readonly KeyFix[];
} {
  const read = readPipelineText(new TextEncoder().encode(text));
  if (read.kind === "refused") return { text, fixes: [] };
  const { problems } = readPipelineShape(read.root, read.source);
  const lines = text.split("\n");
  const fixes: KeyFix[] = [];
  // From the end, so that what comes before keeps its columns.
  for (const { code, line, column, length } of problems.toReversed()) {
    const old = lines[line - 1];
    if (code !== "KEY_RETIRED" || old === undefined) continue;
    const [start, end] = [column - 1, column - 1 + length];
    const written = old.slice(start, end);
    const from = written.replace(/^(["'])(.*)\1$/, "$2");
    const to = PIPELINE_KEYS.find(({ key, retired }) => key === from && retired)?.retired?.by;
    if (to === undefined) continue;
    lines[line - 1] = old.slice(0, start) + written.replace(from, to) + old.slice(end);
    fixes.unshift({ line, from, to });
  }
  return { text: lines.join("\n"), fixes };
}
