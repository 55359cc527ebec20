import { z } from "zod";
import { STEP_KINDS } from "../domain/step.ts";
import { channelSettings } from "./channel-settings.ts";
import { INFRA_FAULT_CODES, USER_FAULT_CODES } from "../domain/faults.ts";

/**
 * Every message between a worker and the server. All paths are below `/worker/v1`; each request
 * carries the worker kind's token as bearer, and after a claim the lease's token in `LEASE_HEADER`.
 * Answers: 204 nothing to claim; 409 `{error:"stale"}` the lease is lost; 422 a user fault that only
 * the server can see; 5xx or no answer: send again while the lease lives. Everything may be sent twice.
 */
export const PROTOCOL = { lowest: 2, highest: 2 } as const;
export const LEASE_HEADER = "x-tatara-lease";

/** Paths, so that both sides spell them once. Ids are URL-safe by construction. */
export const PATHS = {
  buildStarted: () => "/worker/v1/build/started",
  buildClaim: () => "/worker/v1/build/claim",
  heartbeat: (jobId: string) => `/worker/v1/build/jobs/${jobId}/heartbeat`,
  plan: (jobId: string) => `/worker/v1/build/jobs/${jobId}/plan`,
  step: (jobId: string, step: string) => `/worker/v1/build/jobs/${jobId}/steps/${step}`,
  log: (jobId: string, step: string) => `/worker/v1/build/jobs/${jobId}/steps/${step}/log`,
  artifact: (jobId: string, sha256: string) => `/worker/v1/build/jobs/${jobId}/artifacts/${sha256}`,
  end: (jobId: string) => `/worker/v1/build/jobs/${jobId}/end`,
  fault: (jobId: string) => `/worker/v1/build/jobs/${jobId}/fault`,
  handBack: (jobId: string) => `/worker/v1/build/jobs/${jobId}/hand-back`,
  liveAttempts: () => "/worker/v1/build/live-attempts",
  publishStarted: () => "/worker/v1/publish/started",
  publishClaim: () => "/worker/v1/publish/claim",
  publishHeartbeat: (id: string) => `/worker/v1/publish/${id}/heartbeat`,
  publishPackage: (id: string, sha256: string) => `/worker/v1/publish/${id}/packages/${sha256}`,
  publishCheck: (id: string) => `/worker/v1/publish/${id}/check`,
  publishSwitch: () => "/worker/v1/publish/switch",
  publishDone: (id: string) => `/worker/v1/publish/${id}/done`,
  publishProgress: (id: string) => `/worker/v1/publish/${id}/progress`,
  publishFail: (id: string) => `/worker/v1/publish/${id}/fail`,
  publishFault: (id: string) => `/worker/v1/publish/${id}/fault`,
  publishHandBack: (id: string) => `/worker/v1/publish/${id}/hand-back`,
  reportClaim: () => "/worker/v1/report/claim",
  reportAnswer: (id: string) => `/worker/v1/report/${id}/answer`,
} as const;

const id = z.string().regex(/^[a-z0-9-]{1,64}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const instant = z.number().int().nonnegative();
export const stepName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);

export const claimRequest = z.object({
  worker: id,
  protocol: z.object({ lowest: z.number().int(), highest: z.number().int() }),
});
export type ClaimRequest = z.infer<typeof claimRequest>;

/**
 * Said once by a new life of a worker, before it claims: whatever its earlier life held is lost, and
 * is queued again at once instead of when the lease runs out.
 */
export const startedRequest = z.object({ worker: id });

const lease = z.object({
  token: z.string().min(32),
  attempt: z.number().int().positive(),
  /** How long the lease lives from the moment of the answer, if no heartbeat follows. */
  leaseMs: z.number().int().positive(),
});

/** What a build worker needs to know about the build it works for. */
export const buildFacts = z.object({
  id,
  repo: z.string(),
  number: z.number().int(),
  sha: z.string(),
  ref: z.string(),
  /** Without `refs/heads/`; null while the forge has not said. */
  defaultBranch: z.string().nullable(),
  /** Address of the build's page. */
  url: z.string(),
});
export type BuildFacts = z.infer<typeof buildFacts>;

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

export const heartbeatAnswer = z.object({ leaseMs: z.number().int(), cancel: z.boolean() });
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

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
  evidence: z.enum(["fault", "log", "last-lines"]),
  /** Several mistakes of one file (`PIPELINE_FILE_INVALID`), as text like a compiler's. */
  problems: z.string().max(64_000).nullable(),
});
export type FailureCard = z.infer<typeof failureCard>;

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

/** An RPM as the build worker saw it; the publish worker believes nothing but the digest. */
export const builtPackage = z.object({
  fileName: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/),
  sha256,
  sizeBytes: z.number().int().positive(),
  target: z.string(),
});
export type BuiltPackage = z.infer<typeof builtPackage>;

export const endMessage = z.object({
  state: z.enum(["passed", "failed", "skipped", "cancelled"]),
  reason: z.string().max(1_000).nullable(),
  failure: failureCard.nullable(),
  packages: z.array(builtPackage).max(500),
  /** The text of the repository's errata file, if it has one. */
  errata: z.string().max(256_000).nullish(),
});
export type EndMessage = z.infer<typeof endMessage>;

export const faultMessage = z.object({
  code: z.enum(INFRA_FAULT_CODES),
  message: z.string().max(4_000),
  step: z.string().nullable(),
});
export type FaultMessage = z.infer<typeof faultMessage>;

/** A user fault that the server saw (422). */
export const refusal = z.object({
  code: z.enum(USER_FAULT_CODES),
  message: z.string(),
  hint: z.string(),
});
export type Refusal = z.infer<typeof refusal>;

/** Which attempts are alive, so that the reaper leaves them alone. */
export const liveAttemptsAnswer = z.object({
  attempts: z.array(z.object({ jobId: id, attempt: z.number().int() })),
});

export const nevra = z.object({
  name: z.string().min(1).max(256),
  epoch: z.number().int().nonnegative(),
  version: z.string().min(1).max(256),
  release: z.string().min(1).max(256),
  arch: z.string().min(1).max(64),
});

/** A package that is in the pool already. */
export const pooledPackage = z.object({
  nevra: z.string(),
  sha256,
  fileName: z.string(),
  sizeBytes: z.number().int().positive(),
  target: z.string(),
});
export type PooledPackageFacts = z.infer<typeof pooledPackage>;

/** A channel as a grant tells of it. */
export const grantedChannel = z.object({
  name: z.string(),
  /** The generation that it points at now; 0 before its first. */
  head: z.number().int().nonnegative(),
  settings: channelSettings,
});
export type GrantedChannel = z.infer<typeof grantedChannel>;

/** What `dnf updateinfo` tells about one update. */
export const advisory = z.object({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/),
  type: z.enum(["security", "bugfix", "enhancement", "newpackage"]),
  severity: z.enum(["Critical", "Important", "Moderate", "Low", "None"]),
  title: z.string().max(500),
  description: z.string().max(16_000),
  issuedAt: instant,
  references: z
    .array(
      z.object({
        type: z.enum(["cve", "bugzilla", "self", "other"]),
        id: z.string().max(200),
        href: z.string().max(2_000),
        title: z.string().max(500),
      }),
    )
    .max(200),
  rebootSuggested: z.boolean(),
});
export type Advisory = z.infer<typeof advisory>;

/** An advisory and the packages that carry its update. */
export const listedAdvisory = advisory.extend({ nevras: z.array(z.string()).min(1) });
export type ListedAdvisory = z.infer<typeof listedAdvisory>;

/** What else a repository may carry: comps and modules, passed through as they were given. */
export const passedThrough = z.object({
  target: z.string(),
  type: z.enum(["group", "modules"]),
  /** Null takes it away. */
  text: z.string().max(8_000_000).nullable(),
});
export type PassedThrough = z.infer<typeof passedThrough>;

/** A change of what a channel lists; all packages are in the pool. */
export const channelEdit = z.object({
  channel: grantedChannel,
  add: z.array(pooledPackage),
  remove: z.array(z.object({ target: z.string(), nevra: z.string() })),
  /** About packages of `add`. */
  advisories: z.array(listedAdvisory),
  extras: z.array(passedThrough),
  /** Make all metadata anew: settings or keys changed, or the operator wants whole segments. */
  rewrite: z.boolean(),
});
export type ChannelEdit = z.infer<typeof channelEdit>;

const grantBase = z.object({ publishId: id, lease });

/** A build's packages, to be published all together. */
export const buildPublishGrant = grantBase.extend({
  kind: z.literal("build"),
  build: buildFacts,
  /** The commit's message, whose trailers may make an advisory. */
  message: z.string(),
  /** The repository's errata file, as the build worker found it; null: none. */
  errata: z.string().nullable(),
  channels: z.array(grantedChannel).min(1),
  packages: z.array(builtPackage).min(1),
});
export type BuildPublishGrant = z.infer<typeof buildPublishGrant>;

/** Promote, yank, retention, settings: what the server worked out, to be done. */
export const editGrant = grantBase.extend({
  kind: z.literal("edit"),
  edits: z.array(channelEdit).min(1),
});
export type EditGrant = z.infer<typeof editGrant>;

/** Undo, and a new child channel: the lists of another generation under a new number. */
export const restoreGrant = grantBase.extend({
  kind: z.literal("restore"),
  channel: grantedChannel,
  from: z.object({ channel: z.string(), number: z.number().int().positive() }),
});
export type RestoreGrant = z.infer<typeof restoreGrant>;

/** RPMs of a folder on the publish worker's host. */
export const importGrant = grantBase.extend({
  kind: z.literal("import"),
  channel: grantedChannel,
  target: z.string(),
  folder: z.string(),
  /** For packages that another key has signed. */
  foreignSignatures: z.enum(["refuse", "resign", "keep"]),
});
export type ImportGrant = z.infer<typeof importGrant>;

/** What nobody can be using any more is deleted: all but the generations named here, and what they need. */
export const sweepGrant = grantBase.extend({
  kind: z.literal("sweep"),
  keep: z.array(z.object({ channel: z.string(), numbers: z.array(z.number().int().positive()) })),
  /** Signed RPMs that no listing and no grace needs. */
  dropPackages: z.array(z.object({ sha256, fileName: z.string() })),
  /** Files younger than this stay in any case. */
  graceMs: z.number().int().nonnegative(),
  dryRun: z.boolean(),
});
export type SweepGrant = z.infer<typeof sweepGrant>;

export const publishGrant = z.discriminatedUnion("kind", [
  buildPublishGrant,
  editGrant,
  restoreGrant,
  importGrant,
  sweepGrant,
]);
export type PublishGrant = z.infer<typeof publishGrant>;
export type PublishKind = PublishGrant["kind"];

/**
 * Asks whether these identities may be published to the publish's channels: NEVRAs are immutable,
 * names have owners, versions go up.
 */
export const publishCheckRequest = z.object({
  packages: z
    .array(
      z.object({
        nevra,
        unsignedSha256: sha256,
        target: z.string(),
        /** Names only, without the package's own name and without files and sonames. */
        provides: z.array(z.string()).max(10_000),
        obsoletes: z.array(z.string()).max(10_000),
        conflicts: z.array(z.string()).max(10_000),
      }),
    )
    .min(1)
    .max(5_000),
});
export const publishCheckAnswer = z.object({
  packages: z.array(
    z.object({
      unsignedSha256: sha256,
      /** `same`: already signed and pooled under `signedSha256`. */
      verdict: z.enum(["new", "same", "taken"]),
      signedSha256: sha256.nullable(),
      takenBy: z.string().nullable(),
    }),
  ),
  /** What the server's own rules refuse; all of them at once. */
  refusals: z.array(refusal),
  /** Worth telling, and no reason to stop. */
  warnings: z.array(z.string()),
});
export type PublishCheckRequest = z.infer<typeof publishCheckRequest>;
export type PublishCheckAnswer = z.infer<typeof publishCheckAnswer>;

export const publishedPackage = z.object({
  nevra,
  summary: z.string().max(1_000),
  license: z.string().max(1_000),
  unsignedSha256: sha256,
  signedSha256: sha256,
  sizeBytes: z.number().int().positive(),
  fileName: z.string(),
  /** Of the source package; empty for one itself. */
  sourceRpm: z.string().max(300),
  buildTime: instant,
  /** Where it is listed: the job's targets, `…-source` or `…-debug`. */
  targets: z.array(z.string()).min(1),
});
export type PublishedPackage = z.infer<typeof publishedPackage>;

/**
 * Staged generations: everything is on disk and fsynced, nobody is served from them yet. One switch
 * carries every publish that waited, and is one transaction for all of them.
 */
export const switchRequest = z.object({
  generations: z.array(
    z.object({
      channel: z.string(),
      /** The generation it was built on; the pointer moves only from there. */
      base: z.number().int().nonnegative(),
      number: z.number().int().positive(),
      /** Served name (with layers) → the newest generation that changed it. */
      targets: z.record(z.string(), z.number().int().positive()),
      /** Target (without layers) → how many packages it lists. */
      counts: z.record(z.string(), z.number().int().nonnegative()),
    }),
  ),
  publishes: z
    .array(
      z.object({
        publishId: id,
        leaseToken: z.string(),
        /** Of a build or an import; empty for the others, whose packages the server named itself. */
        packages: z.array(publishedPackage),
        advisories: z.array(listedAdvisory),
        warnings: z.array(z.string().max(2_000)).max(100),
        durationMs: z.number(),
      }),
    )
    .min(1),
  keyFingerprint: z.string(),
});
export type SwitchRequest = z.infer<typeof switchRequest>;

export const switchAnswer = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("live") }),
  /** Somebody else's publish came first: assemble again on these. */
  z.object({
    kind: z.literal("moved"),
    channels: z.array(z.object({ name: z.string(), head: z.number().int() })),
  }),
  /** Nothing has moved. These must leave the batch; the others may be staged again. */
  z.object({
    kind: z.literal("refused"),
    publishes: z
      .array(
        z.object({
          publishId: id,
          /** `stale`: its lease is lost. `cancelled`: the server has ended it. `taken`: see `refusal`. */
          why: z.enum(["stale", "cancelled", "taken"]),
          refusal: refusal.nullable(),
        }),
      )
      .min(1),
  }),
]);
export type SwitchAnswer = z.infer<typeof switchAnswer>;

/** The end of a publish that made no generation: a sweep, or an edit that changed nothing. */
export const publishDoneMessage = z.object({
  durationMs: z.number(),
  /** For the operator: what was done, or would be. */
  report: z.array(z.string()).max(10_000),
});
export type PublishDoneMessage = z.infer<typeof publishDoneMessage>;

/** How far an import or a rewrite has come; shown while it runs. */
export const publishProgressMessage = z.object({
  done: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
  note: z.string().max(200),
});

export const publishFailMessage = z.object({ failure: failureCard });

/** One commit status that the forge should show. */
export const reportGrant = z.object({
  rows: z.array(
    z.object({
      id,
      lease: z.string(),
      forge: z.enum(["github", "own"]),
      repo: z.string(),
      sha: z.string(),
      context: z.string(),
      state: z.enum(["pending", "success", "failure", "error"]),
      description: z.string(),
      targetUrl: z.string(),
      /** Version of the row; an answer for an older version does not end the newer wish. */
      version: z.number().int(),
      tries: z.number().int(),
    }),
  ),
});
export type ReportGrant = z.infer<typeof reportGrant>;
export type WantedStatus = ReportGrant["rows"][number];

export const reportAnswer = z.object({
  lease: z.string(),
  version: z.number().int(),
  result: z.union([
    z.object({ kind: z.literal("sent") }),
    /** Try again not before `afterMs` from now; `wholeCredential`: everything of this forge waits. */
    z.object({
      kind: z.literal("later"),
      afterMs: z.number().int(),
      wholeCredential: z.boolean(),
      reason: z.string().max(1_000),
    }),
    /** The credential is refused: all rows of the forge park until it is replaced. */
    z.object({ kind: z.literal("parked"), reason: z.string().max(1_000) }),
    /** Repo or commit gone, too many statuses: never again. */
    z.object({ kind: z.literal("terminal"), reason: z.string().max(1_000) }),
  ]),
});
export type ReportAnswer = z.infer<typeof reportAnswer>;
