import { z } from "zod";
import { STEP_KINDS } from "../domain/step.ts";
import {
  buildFacts,
  failureCard,
  id,
  instant,
  lease,
  stepFailure,
  stepName,
} from "./message-parts.ts";
import { builtPackage } from "./package-messages.ts";

const pipelineImage = z.union([
  z.object({ kind: z.literal("dockerfile"), path: z.string() }),
  z.object({ kind: z.literal("named"), name: z.string() }),
  z.object({ kind: z.literal("base") }),
]);

export const pipelineMessage = z.object({
  image: pipelineImage,
  tests: z.array(z.object({ name: stepName, run: z.string() })),
  spec: z.string().nullable(),
  publish: z.string().nullable(),
});

export const buildGrant = z.object({
  jobId: id,
  lease,
  build: buildFacts,
  target: z.string(),
  /** Null for the job that plans: read the pipeline file from the commit and send the plan. */
  plan: pipelineMessage.nullable(),
  clone: z.object({
    url: z.string(),
    /** Value of the HTTP Authorization header, short-lived and read-only; null: none needed. */
    authorization: z.string().nullable(),
  }),
  /** Values to mask in logs beside the credential above. */
  secrets: z.array(z.string()),
});

export type BuildGrant = z.infer<typeof buildGrant>;

const plannedStep = z.object({ name: stepName, kind: z.enum(STEP_KINDS) });

export const planMessage = z.object({
  pipeline: pipelineMessage,
  steps: z.array(plannedStep).min(1).max(100),
  /** Facts of the commit, read from git itself. */
  commit: z.object({
    subject: z.string().max(1_000),
    authorName: z.string().max(300),
    committedAt: instant,
  }),
  /** One line about a guess, when there is no pipeline file; null otherwise. */
  note: z.string().nullable(),
  /** With nothing to do the job ends `skipped`: why. */
  nothingToDo: z.string().nullable(),
});

export type PlanMessage = z.infer<typeof planMessage>;

/** One change of a step. Times are the worker's clock; order comes from the requests themselves. */
export const stepMessage = z.union([
  z.object({ state: z.literal("running"), startedAt: instant }),
  z.object({
    state: z.enum(["passed", "failed", "errored", "cancelled", "skipped"]),
    startedAt: instant.nullable(),
    endedAt: instant,
    failure: stepFailure.nullable(),
    /** Details for the page, e.g. `layers 3/4 from cache`; short. */
    note: z.string().max(200).nullable(),
  }),
]);

export type StepMessage = z.infer<typeof stepMessage>;

/** Answer to a log chunk: the log now ends here. A chunk beyond the end is answered with `resendFrom`. */
export const logAnswer = z.union([
  z.object({ kind: z.literal("acknowledged"), upToBytes: z.number().int() }),
  z.object({ kind: z.literal("resend"), fromBytes: z.number().int() }),
]);

export type LogAnswer = z.infer<typeof logAnswer>;

export const endMessage = z.object({
  state: z.enum(["passed", "failed", "skipped", "cancelled"]),
  reason: z.string().max(1_000).nullable(),
  failure: failureCard.nullable(),
  packages: z.array(builtPackage).max(500),
  /** The text of the repository's errata file, if it has one. */
  errata: z.string().max(256_000).nullish(),
});

export type EndMessage = z.infer<typeof endMessage>;

/** Which attempts are alive, so that the reaper leaves them alone. */
export const liveAttemptsAnswer = z.object({
  attempts: z.array(z.object({ jobId: id, attempt: z.number().int() })),
});
