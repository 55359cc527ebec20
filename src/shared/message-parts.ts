import { z } from "zod";
import { TRUST_CLASSES } from "../domain/push.ts";
import { BUILD_EVENTS } from "../domain/pipeline.ts";
import { INFRA_FAULT_CODES, USER_FAULT_CODES } from "../domain/faults.ts";

export const id = z.string().regex(/^[a-z0-9-]{1,64}$/);

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Up to the end of the year 9999: a later one is no date that anybody could be shown. */
export const INSTANT_MAX = 253_402_300_799_999;
export const instant = z.number().int().nonnegative().max(INSTANT_MAX);

export const stepName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);

/** A step's log, or that of a service beside it: `unit-22~db`. Pages write it `unit-22/db`. */
export const logName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}(?:~[a-z0-9][a-z0-9._-]{0,62})?$/);

export const lease = z.object({
  token: z.string().min(32),
  attempt: z.number().int().positive(),
  /** How long the lease lives from the moment of the answer, if no heartbeat follows. */
  leaseMs: z.number().int().positive(),
});

export const nevra = z.object({
  name: z.string().min(1).max(256),
  epoch: z.number().int().nonnegative(),
  version: z.string().min(1).max(256),
  release: z.string().min(1).max(256),
  arch: z.string().min(1).max(64),
});

/** A user fault that the server saw (422). */
export const refusal = z.object({
  code: z.enum(USER_FAULT_CODES),
  message: z.string(),
  hint: z.string(),
});

export type Refusal = z.infer<typeof refusal>;

/** What a build worker needs to know about the build it works for. */
export const buildFacts = z.object({
  id,
  repo: z.string(),
  number: z.number().int(),
  sha: z.string(),
  ref: z.string(),
  /** Without `refs/heads/`; null while the forge has not said. */
  defaultBranch: z.string().nullable(),
  event: z.enum(BUILD_EVENTS),
  pullRequest: z
    .object({
      number: z.number().int(),
      baseBranch: z.string(),
      headBranch: z.string(),
      isFork: z.boolean(),
    })
    .nullable(),
  /** Caches and layers are never shared across classes. */
  trust: z.enum(TRUST_CLASSES),
  /** Address of the build's page. */
  url: z.string(),
});

export type BuildFacts = z.infer<typeof buildFacts>;

export const stepFailure = z.object({
  code: z.enum(USER_FAULT_CODES),
  message: z.string().max(4_000),
  hint: z.string().max(2_000).nullable(),
  file: z.string().max(1_000).nullable(),
  line: z.number().int().nullable(),
  exitCode: z.number().int().nullable(),
});

/** The failure card: one object for page, command line, API and commit status. */
export const failureCard = z.object({
  kind: z.enum(["code", "file", "network", "ours"]),
  code: z.enum([...USER_FAULT_CODES, ...INFRA_FAULT_CODES]),
  step: z.string().nullable(),
  title: z.string().max(1_000),
  excerpt: z.string().max(16_000),
  file: z.string().max(1_000).nullable(),
  line: z.number().int().nullable(),
  /** Line of the step's log, from 1; null when no line is to blame. */
  logLine: z.number().int().nullable(),
  hint: z.string().max(2_000).nullable(),
  confidence: z.enum(["high", "medium", "low"]),
  evidence: z.enum(["fault", "report", "log", "last-lines"]),
  /** Number of the first build of this branch that failed so; null: not known, or this one. */
  newSince: z.number().int().nullish(),
  /** Other steps that failed, and other failures of the same step; at most 20. */
  also: z
    .array(
      z.object({
        title: z.string().max(1_000),
        logLine: z.number().int().nullable(),
      }),
    )
    .max(20)
    .nullish(),
  /** Several mistakes of one file (`PIPELINE_FILE_INVALID`), as text like a compiler's. */
  problems: z.string().max(64_000).nullable(),
});

export type FailureCard = z.infer<typeof failureCard>;
