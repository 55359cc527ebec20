import { pipelineFileCard } from "../../../src/domain/failure-card.ts";
import type { FailureCard } from "../../../src/domain/failure-card.ts";
import { PIPELINE_FILE, stepsOf } from "../../../src/domain/pipeline.ts";
import type { Pipeline } from "../../../src/domain/pipeline.ts";
import { readPipeline } from "../../../src/shared/pipeline-file.ts";
import type { PlanMessage } from "../../../src/shared/build-messages.ts";
import type { Commit } from "./commit.ts";

export type JobPlan =
  | { readonly kind: "plan"; readonly pipeline: Pipeline; readonly message: PlanMessage }
  | { readonly kind: "nothing-to-do"; readonly message: PlanMessage }
  | { readonly kind: "invalid"; readonly failure: FailureCard };

const NOTHING: Pipeline = { image: { kind: "base" }, tests: [], spec: null, publish: null };

/** What the commit asks for, read from its pipeline file or guessed from what else it holds. */
export async function planJob(commit: Commit, signal: AbortSignal): Promise<JobPlan> {
  const hasFile = commit.has(PIPELINE_FILE);
  const bytes = hasFile ? await commit.readFile(PIPELINE_FILE, signal) : undefined;
  const reading = readPipeline(bytes, commit);
  if (reading.kind === "invalid") {
    return { kind: "invalid", failure: pipelineFileCard({ ...reading, step: null }) };
  }
  if (reading.kind === "nothing-to-do") {
    const message = planMessage(NOTHING, commit, { nothingToDo: reading.reason });
    return { kind: "nothing-to-do", message };
  }
  const { pipeline, note } = reading;
  return { kind: "plan", pipeline, message: planMessage(pipeline, commit, { note }) };
}

function planMessage(
  pipeline: Pipeline,
  { subject, authorName, committedAtSeconds }: Commit,
  said: { readonly note?: string | null; readonly nothingToDo?: string },
): PlanMessage {
  return {
    pipeline: { ...pipeline, tests: [...pipeline.tests] },
    steps: [...stepsOf(pipeline)],
    commit: {
      subject: subject.slice(0, 1_000),
      authorName: authorName.slice(0, 300),
      committedAt: committedAtSeconds * 1_000,
    },
    note: said.note ?? null,
    nothingToDo: said.nothingToDo ?? null,
  };
}
