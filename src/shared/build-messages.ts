import { z } from "zod";
import { PIPELINE_PROBLEM_CODES } from "../domain/pipeline-problem.ts";
import { jobSpecMessage } from "./job-spec-message.ts";
import {
  buildFacts,
  failureCard,
  id,
  instant,
  lease,
  logName,
  sha256,
  stepFailure,
} from "./message-parts.ts";
import { builtPackage } from "./package-messages.ts";
import { pipelineMessage } from "./pipeline-message.ts";

/** What the third layer of the file's checks may know of the server. */
export const serverNames = z.object({
  channels: z.array(z.object({ name: z.string(), mayPublish: z.boolean() })),
  targets: z.array(z.string()).min(1),
  yumSources: z.array(z.string()),
  secrets: z.array(z.object({ name: z.string(), pullRequests: z.boolean() })),
});

/** What a `verify` job installs, and from where. */
export const verifyFacts = z.object({
  /** The build's own channel, `build-<id>`. */
  channel: z.string(),
  /** Full names of the binary packages of this job's target. */
  nevras: z.array(z.string()),
  /** Where they go afterwards: what is listed there is what hosts upgrade from. */
  publishTo: z.array(z.string()),
});

export type VerifyFacts = z.infer<typeof verifyFacts>;

export const buildGrant = z.object({
  jobId: id,
  lease,
  build: buildFacts,
  target: z.string(),
  /** Null for the job that plans: read the pipeline file from the commit and send the plan. */
  job: jobSpecMessage.nullable(),
  names: serverNames,
  /** Commit that the pipeline file is read from; null: the build's own. */
  fileSha: z.string().nullable(),
  /**
   * For the plan: project ("" without projects) → the newest commit of this branch for which it
   * passed. What is not listed is compared with where the ref left the default branch.
   */
  passedAt: z.record(z.string(), z.string()),
  /** Part of every cache's key; `tatara cache clear` raises it. */
  cacheEpoch: z.number().int().nonnegative(),
  verify: verifyFacts.nullable(),
  clone: z.object({
    url: z.string(),
    /** Value of the HTTP Authorization header, short-lived and read-only; null: none needed. */
    authorization: z.string().nullable(),
  }),
  /** The secrets that this job may read; their values are masked in logs. */
  secrets: z.array(z.object({ name: z.string(), value: z.string() })),
});

export type BuildGrant = z.infer<typeof buildGrant>;

/** An attempt that goes on where an earlier life of its worker was. */
export const resumedGrant = z.object({
  grant: buildGrant,
  /** What the server has of each log that the worker named, in bytes. */
  logs: z.record(z.string(), z.number().int().nonnegative()),
});

export type ResumedGrant = z.infer<typeof resumedGrant>;

/** A server of an earlier version resumes nothing, and says nothing. */
export const startedAnswer = z.object({ resumed: z.array(resumedGrant).default([]) });

/** Of a file that was refused people see what is around its mistakes, which is never that long. */
export const FILE_SHOWN_MAX = 256_000;
export const PROBLEMS_SHOWN_MAX = 100;

const pipelineProblem = z.object({
  code: z.enum(PIPELINE_PROBLEM_CODES),
  line: z.number().int().positive(),
  column: z.number().int().positive(),
  length: z.number().int().positive(),
  message: z.string().max(4_000),
  hint: z.string().max(4_000),
  isWarning: z.boolean(),
});

/** What the planning worker read in the commit. The server makes the jobs from it. */
export const planMessage = z.object({
  pipeline: pipelineMessage,
  /** The file as it stands in the commit; null: there is none, and the pipeline is a guess. */
  file: z.object({ name: z.string().max(100), text: z.string().max(1_100_000) }).nullable(),
  warnings: z.array(pipelineProblem).max(1_000),
  /** Project → files that changed, at most 10,000; null: everything counts as changed. */
  changes: z.record(z.string(), z.array(z.string().max(4_096)).max(10_000).nullable()),
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

/** The job that the planning worker goes on with; null: there is nothing for it to do. */
export const planAnswer = z.object({ target: z.string(), job: jobSpecMessage.nullable() });

export type PlanAnswer = z.infer<typeof planAnswer>;

/** What a step did not have to do again, for the page. */
export const stepReuse = z.object({
  /** `layers 3 of 4`, `~/.npm from #12`. */
  what: z.string().max(300),
  /** What it took when it was made; null: not known. */
  savedMs: z.number().int().nonnegative().nullable(),
});

/** What is worth knowing of a step beside its state. */
export const stepDetails = z.object({
  exitCode: z.number().int().nullable(),
  memoryPeakBytes: z.number().int().nonnegative().nullable(),
  memoryLimitBytes: z.number().int().nonnegative().nullable(),
  reuse: z.array(stepReuse).max(50),
  /** Services that ran beside it, each with a log of its own: `<step>~<service>`. */
  services: z.array(z.string().max(63)).max(10),
  /** The failed step's container can be entered until then. */
  shellUntil: instant.nullable(),
  /** It failed, and was allowed to. */
  isAllowed: z.boolean(),
  warnings: z.array(z.string().max(1_000)).max(50),
  /** Id of the image that it ran in, on the worker's engine: what a replay looks for. */
  image: z.string().max(200).nullish(),
});

export type StepDetails = z.infer<typeof stepDetails>;

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
    details: stepDetails.nullable(),
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
  state: z.enum(["passed", "failed", "cancelled"]),
  reason: z.string().max(1_000).nullable(),
  failure: failureCard.nullable(),
  packages: z.array(builtPackage).max(500),
  /** The text of the repository's errata file, if it has one. */
  errata: z.string().max(256_000).nullish(),
  /** The pipeline file that was refused, as far as it is shown. */
  file: z
    .object({
      name: z.string().max(100),
      text: z.string().max(FILE_SHOWN_MAX),
      problems: z.array(pipelineProblem).max(PROBLEMS_SHOWN_MAX),
    })
    .nullish(),
  /** How many bytes each log has: a server whose machine lost power may have fewer. */
  logs: z.record(logName, z.number().int().nonnegative()).nullish(),
});

/** Where the server's logs end that are shorter than they were said to be; the job has not ended then. */
export const endAnswer = z.object({
  resend: z.record(logName, z.number().int().nonnegative()).nullish(),
});

export type EndMessage = z.infer<typeof endMessage>;

/** Below the workspace and nowhere else: it becomes the name of an entry of a tar. */
const workspacePath = z
  .string()
  .min(1)
  .max(4_096)
  .refine((path) => !path.includes("\0"), "a path has no NUL")
  .refine(
    (path) => path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    "a path inside the workspace is expected",
  );

/** A file that `keep` names; its bytes were uploaded before by their digest. */
export const keptFile = z.object({
  /** In the workspace, without a leading slash. */
  path: workspacePath,
  sizeBytes: z.number().int().nonnegative(),
  sha256,
  isExecutable: z.boolean(),
});

export type KeptFileMessage = z.infer<typeof keptFile>;

/** All that a step keeps, said once, before the step's end. */
export const keptMessage = z.object({
  files: z.array(keptFile).max(10_000),
  /** A pipeline file may ask for a year. */
  expiresMs: z
    .number()
    .int()
    .positive()
    .max(10 * 366 * 86_400_000),
  /** What was left out: links, devices, what is over the limit. */
  notes: z.array(z.string().max(1_000)).max(100),
});

export type KeptMessage = z.infer<typeof keptMessage>;

/** What the tests of a project kept, for packages that are built in another job; bytes by digest. */
export const keptByTestsAnswer = z.object({ files: z.array(keptFile).max(100_000) });

export const TEST_STATES = ["passed", "failed", "errored", "skipped"] as const;

/**
 * For numbers of somebody's report, of which the database makes sums: more than `max` counts as `max`,
 * or a page with the sum of two could not be shown.
 */
const atMost = (max: number) => (number: number) => Math.min(number, max);

/** One test of a report, as the parsers of all dialects give it. */
export const testResult = z.object({
  suite: z.string().max(500),
  className: z.string().max(500),
  name: z.string().max(1_000),
  state: z.enum(TEST_STATES),
  durationMs: z.number().nonnegative().transform(atMost(10_000_000_000)).nullable(),
  /** First words of a failure; empty if it passed. */
  message: z.string().max(4_000),
  /** The rest: stack, difference, output. */
  details: z.string().max(16_000),
  file: z.string().max(1_000).nullable(),
  line: z.number().int().positive().nullable(),
});

export type TestResult = z.infer<typeof testResult>;

/** Lines that tests ran through, of all that could. */
export const coverage = z.object({
  linesCovered: z.number().int().nonnegative().transform(atMost(1_000_000_000_000)),
  linesTotal: z.number().int().nonnegative().transform(atMost(1_000_000_000_000)),
});

/** What a step's reports say, in parts of up to 5,000 tests; the first part is number 0. */
export const reportsMessage = z.object({
  part: z.number().int().nonnegative(),
  isLast: z.boolean(),
  /** Files that were read. */
  files: z.array(z.string().max(4_096)).max(1_000),
  tests: z.array(testResult).max(5_000),
  coverage: coverage.nullable(),
  /** What could not be read, and what was left out. */
  problems: z.array(z.string().max(1_000)).max(50),
});

export type ReportsMessage = z.infer<typeof reportsMessage>;

/** Which attempts are alive, so that the reaper leaves them alone. */
export const liveAttemptsAnswer = z.object({
  attempts: z.array(z.object({ jobId: id, attempt: z.number().int() })),
});
