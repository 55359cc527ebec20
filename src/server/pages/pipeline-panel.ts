import type { PipelineProblem } from "../../domain/pipeline-problem.ts";
import type { BuildView, PipelineFileView } from "../views.ts";
import { html, NOTHING, said, saidBlock, type Html } from "./html.ts";

const LINES_SHOWN_MAX = 80;
/** Of a longer file the lines around each mistake are shown. */
const LINES_AROUND = 3;
const LINE_LENGTH_MAX = 400;
const BEFORE_MARK = 100;

/** Did the file itself end the build? Then its lines say more than a report. */
export function isRefusedFile({ file }: Pick<BuildView, "file">): boolean {
  return file !== null && file.problems.some(({ isWarning }) => !isWarning);
}

/** The pipeline file with what is wrong under the lines that are to blame. */
export function pipelinePanel(build: Pick<BuildView, "file">): Html {
  const { file } = build;
  if (file === null || file.problems.length === 0) return NOTHING;
  const lines = fileLines(file);
  const summary = html`${said(file.name)} <span class="faint">${countsOf(file.problems)}</span>`;
  if (!isRefusedFile(build)) {
    return html`<details class="file-panel">
      <summary>${summary}</summary>
      ${lines}
    </details>`;
  }
  return html`<section class="file-panel" aria-labelledby="file-title">
    <h2 id="file-title">${summary}</h2>
    ${lines}
    <p class="faint">Check before pushing: <code>tatara check</code></p>
  </section>`;
}

function countsOf(problems: readonly PipelineProblem[]): string {
  const warnings = problems.filter(({ isWarning }) => isWarning).length;
  return [counted(problems.length - warnings, "problem"), counted(warnings, "warning")]
    .filter((part) => part !== "")
    .join(", ");
}

function counted(count: number, noun: string): string {
  return count === 0 ? "" : `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function fileLines({ text, problems }: PipelineFileView): Html {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  const byLine = Map.groupBy(problems, ({ line }) => line);
  const shown = shownLines(lines.length, [...byLine.keys()]);
  let last = 0;
  const rows = shown.map((number) => {
    const gap = number > last + 1 ? html`<div class="file-gap">…</div>` : null;
    last = number;
    const found = byLine.get(number) ?? [];
    const row = html`<div class="file-row${found.length === 0 ? "" : " is-marked"}">
      <span class="file-number">${number}</span
      ><code class="file-text" dir="ltr">${markedLine(lines[number - 1] ?? "", found)}</code>
    </div>`;
    return html`${gap}${row}${found.map(problemRow)}`;
  });
  return html`<div class="file-lines">
    ${rows}${last < lines.length ? html`<div class="file-gap">…</div>` : null}
  </div>`;
}

/** Numbers of the lines to show, in order; those with problems are always among them. */
function shownLines(count: number, marked: readonly number[]): readonly number[] {
  if (count <= LINES_SHOWN_MAX) {
    const all = Array.from({ length: count }, (_, index) => index + 1);
    return [...new Set([...all, ...marked])].toSorted((a, b) => a - b);
  }
  const near = marked.flatMap((line) =>
    Array.from({ length: 2 * LINES_AROUND + 1 }, (_, index) => line - LINES_AROUND + index),
  );
  const inside = near.filter((line) => (line >= 1 && line <= count) || marked.includes(line));
  return [...new Set(inside)].toSorted((a, b) => a - b);
}

function markedLine(line: string, problems: readonly PipelineProblem[]): Html {
  const first = problems[0]?.column ?? 1;
  const isLong = line.length > LINE_LENGTH_MAX;
  const from = isLong ? Math.max(0, first - 1 - BEFORE_MARK) : 0;
  const to = isLong ? from + LINE_LENGTH_MAX : line.length;
  const parts: Html[] = [];
  let at = from;
  for (const { column, length, isWarning } of problems.toSorted((a, b) => a.column - b.column)) {
    const start = Math.max(at, column - 1);
    const end = Math.min(to, column - 1 + length);
    if (end <= start) continue;
    const kind = isWarning ? "is-warning" : "is-mistake";
    parts.push(
      html`${saidBlock(line.slice(at, start))}<mark class="${kind}"
          >${saidBlock(line.slice(start, end))}</mark
        >`,
    );
    at = end;
  }
  return html`${from > 0 ? "…" : null}${parts}${saidBlock(line.slice(at, to))}${to < line.length ? "…" : null}`;
}

function problemRow({ message, hint, code, column, isWarning }: PipelineProblem): Html {
  return html`<div
    class="file-problem ${isWarning ? "is-warning" : "is-mistake"}"
    data-code="${code}"
  >
    <span class="file-where">${isWarning ? "warning" : `column ${column}`}</span>
    <span><b>${said(message)}</b><span class="file-hint">${said(hint)}</span></span>
    <code class="code">${code}</code>
  </div>`;
}

/** A guess that nobody has written down yet, as the file that would say the same. */
export function guessedFile({ guess, file }: Pick<BuildView, "guess" | "file">): Html {
  if (file !== null || guess === null || guess === undefined) return NOTHING;
  return html`<details class="file-panel">
    <summary>See it as a file</summary>
    <pre class="excerpt">${saidBlock(guess)}</pre>
    <p class="faint">
      Commit it as <code>.tatara.yml</code>, or let <code>tatara init</code> write it.
    </p>
  </details>`;
}
