import { nearSpelling } from "../domain/near-spelling.ts";
import type { CacheRule, CommitTree, ServerNames } from "../domain/pipeline.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import { baseName } from "../domain/repo-path.ts";
import type { Checked, CheckedText } from "./pipeline-checked.ts";
import { placeInside, problemAt } from "./pipeline-mistake.ts";
import type { Finding, Place } from "./pipeline-mistake.ts";
import { templateMistake } from "./pipeline-templates.ts";
import type { PipelineSource } from "./pipeline-text.ts";

/** What the third layer of checks works with, and where it leaves what it finds. */
export interface Reading {
  readonly tree: CommitTree;
  /** Undefined where no server could be asked. */
  readonly names: ServerNames | undefined;
  readonly source: PipelineSource;
  readonly problems: PipelineProblem[];
  /** Rules for caches that were read already, by their folder and matrix. */
  readonly cacheRules: Map<Checked, Map<string, CacheRule>>;
  /** Is there a folder at this path? */
  hasFolder(path: string): boolean;
  /** A file of nearly this path, or of the same name elsewhere. */
  nearFile(path: string): { readonly path: string; readonly isNear: boolean } | undefined;
}

/** Where a value stands: what its paths start from, and which matrix its templates mean. */
export interface Scope {
  readonly folder: string;
  /** Undefined where the matrix was refused; empty where there is none. */
  readonly variables: readonly string[] | undefined;
}

/** Comparing a name with every file costs time, which a file full of mistakes would multiply. */
const SUGGESTIONS_MAX = 5;

export function startReading(facts: Pick<Reading, "tree" | "names" | "source">): Reading {
  let folders: ReadonlySet<string> | undefined;
  let suggestions = 0;
  return {
    ...facts,
    problems: [],
    cacheRules: new Map(),
    hasFolder: (path) => (folders ??= foldersOf(facts.tree)).has(path),
    nearFile: (path) => {
      suggestions += 1;
      return suggestions > SUGGESTIONS_MAX ? undefined : nearFile(path, facts.tree);
    },
  };
}

export function refuse(reading: Reading, at: Place, finding: Finding): undefined {
  reading.problems.push(problemAt(at, finding));
  return undefined;
}

/** Refuses templates that are not known there. */
export function checkTemplates(text: CheckedText, scope: Scope, reading: Reading): void {
  const mistake = templateMistake(text, scope.variables);
  if (mistake === undefined) return;
  refuse(reading, placeInside(reading.source, text, mistake.needle), mistake);
}

function foldersOf(tree: CommitTree): ReadonlySet<string> {
  const folders = new Set([""]);
  for (const file of tree.files()) {
    // Upwards until a folder that is known: so is all above it.
    for (let at = file.lastIndexOf("/"); at > 0; at = file.lastIndexOf("/", at - 1)) {
      const folder = file.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return folders;
}

function nearFile(
  path: string,
  tree: CommitTree,
): { readonly path: string; readonly isNear: boolean } | undefined {
  const files = tree.files();
  const near = nearSpelling(path, files);
  if (near !== undefined) return { path: near, isNear: true };
  const name = baseName(path).toLowerCase();
  const elsewhere = files.find((file) => baseName(file).toLowerCase() === name);
  if (elsewhere !== undefined) return { path: elsewhere, isNear: false };
  const nearName = nearSpelling(name, new Set(files.map(baseName)));
  const meant = files.find((file) => baseName(file) === nearName);
  return meant === undefined ? undefined : { path: meant, isNear: true };
}
