import { PIPELINE_FILE } from "../domain/pipeline.ts";
import type { CommitTree, OnNewerPush, Pipeline, ServerNames } from "../domain/pipeline.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import { mapOf, switchOf, textOf, textsOf } from "./pipeline-checked.ts";
import type { CheckedMap } from "./pipeline-checked.ts";
import { readWhen, whenAsOnly } from "./pipeline-rules.ts";
import { readFilePatterns } from "./pipeline-paths.ts";
import { readProjects } from "./pipeline-projects.ts";
import { refuse, startReading } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";
import type { PipelineSource } from "./pipeline-text.ts";

const ROOT: Scope = { folder: "", variables: [] };

/**
 * Layer 3: what the file means, defaults filled in, compared with the commit and the server. What
 * layer 2 refused is missing here, and the pipeline then says less than its author meant.
 */
export function checkPipelineMeaning(
  top: CheckedMap,
  facts: {
    readonly tree: CommitTree;
    readonly names: ServerNames | undefined;
    readonly source: PipelineSource;
  },
): { readonly pipeline: Pipeline; readonly problems: readonly PipelineProblem[] } {
  const reading = startReading(facts);
  const when = readWhen(mapOf(top, "when"), ROOT, reading);
  const checkout = mapOf(top, "checkout");
  const runAllOn = textsOf(top, "run-all-on");
  const pipeline: Pipeline = {
    when,
    onNewerPush: onNewerPushOf(top),
    checkout: {
      submodules: (checkout && switchOf(checkout, "submodules")) ?? false,
      lfs: (checkout && switchOf(checkout, "lfs")) ?? false,
    },
    runAllOn: runAllOn === undefined ? [PIPELINE_FILE] : readFilePatterns(runAllOn, ROOT, reading),
    projects: readProjects(top, whenAsOnly(when), reading),
  };
  checkLength(pipeline, reading);
  return { pipeline, problems: reading.problems };
}

/** The long form repeats defaults in each step, so a short file can be a very long one. */
const LONG_FORM_LENGTH_MAX = 4 * 1024 * 1024;

function checkLength({ projects }: Pipeline, reading: Reading): void {
  let length = 0;
  for (const { tests, packages, services } of projects) {
    for (const { env, cache } of [...tests, ...packages]) {
      for (const [name, value] of Object.entries(env)) length += name.length + value.length;
      for (const path of cache?.paths ?? []) length += path.length;
      for (const path of cache?.keyFiles ?? []) length += path.length;
    }
    for (const { env } of services) for (const value of Object.values(env)) length += value.length;
  }
  if (length <= LONG_FORM_LENGTH_MAX) return;
  refuse(
    reading,
    { line: 1, column: 1, length: 1 },
    {
      code: "LIMIT_EXCEEDED",
      message: "written out, with `env` and `cache` in each step, the file is longer than 4 MiB",
      hint: "set what is long only in the steps that need it",
    },
  );
}

function onNewerPushOf(top: CheckedMap): OnNewerPush | null {
  const word = textOf(top, "on-newer-push")?.value;
  return word === "cancel" || word === "keep" ? word : null;
}
