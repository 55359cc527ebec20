import { z } from "zod";
import { STEP_KINDS } from "../domain/step.ts";
import { endMessage, keptMessage, stepMessage } from "./build-messages.ts";
import { jobSpecMessage } from "./job-spec-message.ts";
import { buildFacts, failureCard } from "./message-parts.ts";

/** A job of a build, as it was planned there. */
const replayedJob = z.object({
  spec: jobSpecMessage,
  needs: z.array(z.number().int()),
  skip: z.string().nullable(),
  /** Key of an image → the id that it had on the worker's engine. */
  images: z.record(z.string(), z.string()),
});
export type ReplayedJob = z.infer<typeof replayedJob>;

/** What the server tells of a build for a replay. */
export const replayPlan = z.object({ build: buildFacts, jobs: z.array(replayedJob) });

/**
 * What `tatara run` and its runner say to each other: lines of JSON. The command sends one request;
 * the end of the runner's input means that nobody waits for it any more.
 */
export const localRequest = z.object({
  build: buildFacts,
  /** A bare repository that has the commit. */
  gitDir: z.string(),
  /** Folder of this run, for files that its steps leave: `files/<sha256>`. */
  dir: z.string(),
  /** Folder of what later runs may use again. */
  cacheDir: z.string(),
  /** The server whose channels packages may need; null: none is known. */
  serverUrl: z.string().nullable(),
  /** Null: all tests. */
  steps: z.array(z.string()).nullable(),
  fresh: z.boolean(),
  params: z.record(z.string(), z.string()),
  /** The jobs themselves, each with those before it that it needs, where there is nothing to plan. */
  jobs: z.array(replayedJob).nullable(),
});

export type LocalRequest = z.infer<typeof localRequest>;

const localJob = z.object({
  id: z.string(),
  name: z.string(),
  target: z.string(),
  steps: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      kind: z.enum(STEP_KINDS),
      skip: z.string().nullable(),
    }),
  ),
});

export const localMessage = z.discriminatedUnion("kind", [
  /** The plan; said before the first step. */
  z.object({
    kind: z.literal("planned"),
    jobs: z.array(localJob),
    note: z.string().nullable(),
    warnings: z.array(z.string()),
  }),
  z.object({ kind: z.literal("job"), job: z.string(), state: z.literal("running") }),
  z.object({ kind: z.literal("step"), job: z.string(), step: z.string(), message: stepMessage }),
  z.object({ kind: z.literal("log"), job: z.string(), step: z.string(), text: z.string() }),
  z.object({ kind: z.literal("kept"), job: z.string(), step: z.string(), message: keptMessage }),
  z.object({
    kind: z.literal("job-end"),
    job: z.string(),
    state: z.enum(["passed", "failed", "errored", "cancelled", "skipped"]),
    reason: z.string().nullable(),
    failure: failureCard.nullable(),
    packages: endMessage.shape.packages,
  }),
  /** How it all ended; the last one. */
  z.object({
    kind: z.literal("end"),
    state: z.enum(["passed", "failed", "errored", "cancelled", "skipped"]),
    reason: z.string().nullable(),
    failure: failureCard.nullable(),
  }),
  /** The request itself was wrong: steps that do not exist. */
  z.object({ kind: z.literal("refused"), message: z.string(), hint: z.string() }),
]);

export type LocalMessage = z.infer<typeof localMessage>;
export type LocalJob = z.infer<typeof localJob>;
