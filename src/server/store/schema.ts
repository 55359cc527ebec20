import type { AttemptLoss } from "../../domain/attempt.ts";
import type { State } from "../../domain/states.ts";
import type { CommitState } from "../../domain/commit-status.ts";
import type { PublishRule } from "../../domain/publish-rules.ts";
import type { ForgeName } from "../../domain/push.ts";
import type { JobKind } from "../../domain/job-spec.ts";
import type { BuildEvent } from "../../domain/pipeline.ts";
import type { StepKind } from "../../domain/step.ts";
import type { PublishKind } from "../../shared/publish-grants.ts";
import type { FoundBy } from "../intake-types.ts";
import type {
  TestFailureRow,
  TestReportPartRow,
  TestReportRow,
  TestRow,
  TestRunRow,
} from "./test-tables.ts";

/**
 * The tables, one interface each. Columns that end in `At` are epoch milliseconds; those that end in
 * `Json` hold JSON text. Ids are opaque strings. Booleans are 0 and 1, since SQLite has no others.
 */
export interface Tables {
  repos: RepoRow;
  deliveries: DeliveryRow;
  builds: BuildRow;
  jobs: JobRow;
  lostAttempts: LostAttemptRow;
  steps: StepRow;
  artifacts: ArtifactRow;
  keptFiles: KeptFileRow;
  publishes: PublishRow;
  channels: ChannelRow;
  generations: GenerationRow;
  packages: PackageRow;
  listings: ListingRow;
  generationPublishes: GenerationPublishRow;
  packageNames: PackageNameRow;
  allowances: AllowanceRow;
  advisories: AdvisoryRow;
  advisoryPackages: AdvisoryPackageRow;
  extras: ExtraRow;
  outbox: OutboxRow;
  credentials: CredentialRow;
  looks: LookRow;
  seenHeads: SeenHeadRow;
  missedDeliveries: MissedDeliveryRow;
  statuses: StatusRow;
  testReports: TestReportRow;
  testReportParts: TestReportPartRow;
  tests: TestRow;
  testRuns: TestRunRow;
  testFailures: TestFailureRow;
  sessions: SessionRow;
  schedules: ScheduleRow;
  ticks: TickRow;
  secrets: SecretRow;
  shells: ShellRow;
  workers: WorkerRow;
}

/** One shell in a failed step's container: who was in it, and how long. */
export interface ShellRow {
  id: string;
  buildId: string;
  jobId: string;
  attempt: number;
  step: string;
  by: string;
  startedAt: number;
  endedAt: number | null;
  /** Null: it was cut off. */
  exitCode: number | null;
  /** Why it was cut off; null: the shell ended by itself. */
  endReason: string | null;
}

/** A worker that has asked for work, as it described itself then. */
export interface WorkerRow {
  id: string;
  kind: "build" | "publish";
  /** Null: it did not say; so with the next two. */
  arch: string | null;
  version: string | null;
  slots: number | null;
  /** Versions of the protocol that it speaks. */
  protocolLowest: number;
  protocolHighest: number;
  firstSeenAt: number;
  /** When it asked last, give or take ten seconds. */
  seenAt: number;
  /** Since when it gets nothing new; null: it does. */
  drainingAt: number | null;
  /** What it holds then is handed back. */
  drainUntilAt: number | null;
  drainNote: string | null;
}

export interface RepoRow {
  /** `owner/name`, unique on this server. */
  name: string;
  forge: ForgeName;
  defaultBranch: string | null;
  /** Number that the next build gets. */
  nextNumber: number;
  createdAt: number;
  /** Part of every cache's key: raising it empties the repo's caches. */
  cacheEpoch: number;
}

/** One HTTP request from a forge that asked for something, and what became of it. */
export interface DeliveryRow {
  id: string;
  forge: ForgeName;
  deliveryId: string;
  /** sha256 of the signed body; null for the own remote. */
  bodyDigest: string | null;
  event: string;
  repo: string | null;
  ref: string | null;
  before: string | null;
  after: string | null;
  receivedAt: number;
  disposition: "accepted" | "duplicate" | "ignored";
  reason: string | null;
  buildId: string | null;
  /** `repo ref before after event` while this delivery owns the tuple; unique. */
  pushKey: string | null;
  /** Nobody delivered it: the server looked at the forge's refs. Null: it was delivered. */
  foundBy: FoundBy | null;
  /** The id of the delivery that came later for what was found. */
  matchedBy: string | null;
}

export interface BuildRow {
  id: string;
  repo: string;
  number: number;
  forge: ForgeName;
  event: BuildEvent;
  /** The commit; null for a deleted ref. */
  sha: string | null;
  ref: string;
  before: string;
  after: string;
  message: string;
  authorName: string;
  pusher: string;
  trust: string;
  defaultBranch: string | null;
  state: State;
  reason: string | null;
  /** 0 until the own remote's ref has moved; only then a job may be claimed. */
  isReady: 0 | 1;
  rerunOf: string | null;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  cancelRequestedAt: number | null;
  /** `StoredPlan`, once recorded. */
  pipelineJson: string | null;
  /** `PullRequestFacts`. */
  pullRequestJson: string | null;
  /** What a person gave to a manual build, name to value. */
  paramsJson: string | null;
  /** Names of the only steps that a try asks for, a list; null: all. */
  stepsJson: string | null;
  /** The pipeline file as it was read: `{name, text, warnings}`; null: none, or not read yet. */
  fileJson: string | null;
  /** Commit that the pipeline file is read from; null: the build's own. */
  fileSha: string | null;
  /** Id of the newer build that took its place. */
  supersededBy: string | null;
  /** Built again to be compared with this build's packages. */
  compareWith: string | null;
  /** Why it may not start yet (waits for approval); null: it may. */
  waitReason: string | null;
  /** 1: uses nothing that earlier builds left. */
  isFresh: number;
  /** 0: never publishes, whatever its rules say. */
  mayPublish: number;
  /** 1: the push replaced commits instead of adding to them, as far as the forge said. */
  isForced: number;
  /** One line about a guess, or a cancel that came too late. */
  note: string | null;
  failureJson: string | null;
  /** The text of the repository's errata file; null: it has none. */
  errata: string | null;
  /** Since when its logs and uploads count as removed; null: it has them. */
  logsRemovedAt: number | null;
  /** When the last of those files was deleted. */
  filesGoneAt: number | null;
}

export interface JobRow {
  id: string;
  buildId: string;
  position: number;
  /** `el9.x86_64`, `api el9.x86_64 verify`; "" before the plan. */
  name: string;
  /** "" without projects. */
  project: string;
  kind: JobKind;
  target: string | null;
  /** Which workers may take it; null: any. */
  arch: string | null;
  /** `JobSpec`; null before the plan. */
  specJson: string | null;
  /** Ids of the jobs that must have passed before, as JSON. */
  needsJson: string;
  /** 1 while it waits for other jobs, or for what it verifies; nobody may claim it then. */
  isBlocked: number;
  /** Higher goes first. */
  priority: number;
  state: State;
  reason: string | null;
  /** Attempts granted so far; the current one while the job runs. */
  attempt: number;
  /** Attempts that count against the limit. */
  countedAttempts: number;
  notBeforeAt: number;
  queuedAt: number;
  startedAt: number | null;
  endedAt: number | null;
  worker: string | null;
  /** As the worker of the newest attempt said; null: it did not say. */
  workerArch: string | null;
  leaseTokenHash: string | null;
  leaseExpiresAt: number | null;
  /** When its worker said that it will be back; null: it did not. */
  goodbyeAt: number | null;
  /** `LastReturn`: when its worker came back last; null: it never went away. */
  returnJson: string | null;
}

/** An attempt of a job that ended without a result, and was followed by another. */
export interface LostAttemptRow {
  jobId: string;
  attempt: number;
  kind: AttemptLoss;
  reason: string;
  worker: string | null;
  endedAt: number;
}

export interface StepRow {
  jobId: string;
  attempt: number;
  name: string;
  /** As people read it: `unit (node 22)`. */
  title: string;
  kind: StepKind;
  position: number;
  state: State;
  note: string | null;
  /** `StepDetails` of the protocol. */
  detailsJson: string | null;
  startedAt: number | null;
  endedAt: number | null;
  failureJson: string | null;
}

/** A file that a job's attempt uploaded: for now always an RPM as it was built, unsigned. */
export interface ArtifactRow {
  jobId: string;
  attempt: number;
  sha256: string;
  fileName: string;
  sizeBytes: number;
  target: string;
}

/** A file that a step kept; its bytes are an uploaded file like any other. */
export interface KeptFileRow {
  buildId: string;
  jobId: string;
  attempt: number;
  step: string;
  /** In the step's workspace. */
  path: string;
  sha256: string;
  sizeBytes: number;
  isExecutable: number;
  expiresAt: number;
}

/** Work for a publish worker: a build's packages, or a change of channels that somebody asked for. */
export interface PublishRow {
  id: string;
  kind: PublishKind;
  /** `stage`: to the build's own channel, to be verified; `final`: to where its rules say. */
  purpose: "stage" | "final";
  /** Only of a build's publish. */
  buildId: string | null;
  state: "queued" | "running" | "live" | "failed" | "errored" | "cancelled";
  /** Names of the channels, as JSON. */
  channelsJson: string;
  /** What the grant is made from, as JSON; null for a build's. */
  requestJson: string | null;
  /** Who asked: `push`, `admin`, `retention`. */
  by: string;
  note: string;
  attempt: number;
  countedAttempts: number;
  notBeforeAt: number;
  worker: string | null;
  leaseTokenHash: string | null;
  leaseExpiresAt: number | null;
  queuedAt: number;
  startedAt: number | null;
  endedAt: number | null;
  /** What the publish worker measured, claim to announcement. */
  durationMs: number | null;
  keyFingerprint: string | null;
  /** `[{channel, number}]` once live. */
  generationsJson: string | null;
  warningsJson: string | null;
  /** `{done, total, note}` while it runs. */
  progressJson: string | null;
  /** What a sweep or import tells, as a JSON list of lines. */
  reportJson: string | null;
  /** Why it failed, when no build says it. */
  reason: string | null;
}

/** A channel and the generation that it points at; 0 before its first publish. */
export interface ChannelRow {
  name: string;
  head: number;
  updatedAt: number;
  createdAt: number;
  /** It began as a copy of this channel's generation; null for one of its own. */
  parent: string | null;
  parentGeneration: number | null;
  expiresAt: number | null;
  settingsJson: string;
}

export interface GenerationRow {
  channel: string;
  number: number;
  base: number;
  createdAt: number;
  /** Served name → the newest generation that changed it, as JSON. */
  targetsJson: string;
  /** Target → how many packages it lists, as JSON. */
  countsJson: string;
  /** Kept whatever its age. */
  isPinned: number;
  pinNote: string | null;
  /** Its files are deleted. */
  sweptAt: number | null;
}

/** Which publishes a generation was made for: those that waited together share one. */
export interface GenerationPublishRow {
  channel: string;
  number: number;
  publishId: string;
}

/** A published package; its NEVRA is unique on this server for ever. */
export interface PackageRow {
  nevra: string;
  name: string;
  epoch: number;
  version: string;
  release: string;
  arch: string;
  /** Sorts as rpm sorts versions: `evrKey` of `src/domain/evr-key.ts`. */
  evrKey: string;
  summary: string;
  license: string;
  unsignedSha256: string;
  signedSha256: string;
  sizeBytes: number;
  fileName: string;
  sourceRpm: string;
  buildTime: number;
  /** Empty for an imported one. */
  repo: string;
  /** Null for an imported one. */
  buildId: string | null;
  publishedAt: number;
  yankedAt: number | null;
  yankReason: string | null;
  /** Its downloads are answered 410. */
  refusedAt: number | null;
  /** When a channel that had listed it was deleted. */
  delistedAt: number | null;
  /** Retention leaves it alone. */
  isPinned: number;
  /** Its bytes are deleted; the NEVRA stays taken. */
  sweptAt: number | null;
  /** It never left its build's own channel, so its NEVRA may be used for other content. */
  freedAt: number | null;
}

/**
 * A package listed in a channel's target, from a generation on until before another. A child channel
 * has rows only of what differs from its parent's generation: see `listings.ts`.
 */
export interface ListingRow {
  channel: string;
  target: string;
  nevra: string;
  /** These three are the package's, here for the indexes. */
  name: string;
  arch: string;
  evrKey: string;
  /** 0: a child channel began with it. */
  sinceGeneration: number;
  /** The first generation without it; null while it is listed. */
  untilGeneration: number | null;
}

/** Whose name it is: the first repo to publish it, until an admin says otherwise. */
export interface PackageNameRow {
  name: string;
  repo: string;
  since: number;
}

/** What an admin has allowed a repo beyond the rules. */
export interface AllowanceRow {
  id: string;
  repo: string;
  rule: PublishRule;
  /** The package or capability name. */
  subject: string;
  by: string;
  createdAt: number;
}

export interface AdvisoryRow {
  id: string;
  buildId: string | null;
  /** `Advisory` of the protocol. */
  advisoryJson: string;
  createdAt: number;
}

export interface AdvisoryPackageRow {
  advisoryId: string;
  nevra: string;
}

/** What a channel's target passes through. */
export interface ExtraRow {
  channel: string;
  target: string;
  type: "group" | "modules";
  text: string;
  updatedAt: number;
}

/** Per commit and context the newest state that the forge should show. */
export interface OutboxRow {
  id: string;
  forge: ForgeName;
  repo: string;
  sha: string;
  context: string;
  buildId: string;
  buildNumber: number;
  state: CommitState;
  description: string;
  targetUrl: string;
  /** Grows with each new wish. */
  version: number;
  sentVersion: number;
  tries: number;
  nextTryAt: number;
  leaseToken: string | null;
  leaseUntilAt: number;
  lastProblem: string | null;
  /** Set when the forge will never take it. */
  terminalReason: string | null;
  /** When that was found out. */
  terminalAt: number | null;
  /** Until then, an older post that nobody answered may still arrive at the forge. */
  doubtUntilAt: number;
  /** When to look whether the forge still shows what was sent; null: no need. */
  checkAt: number | null;
  /** 1: tried again sooner than `nextTryAt` once the forge answers anybody. */
  waitsForForge: number;
  createdAt: number;
  updatedAt: number;
}

/** A forge's repo whose refs the server has compared with the recorded pushes. */
export interface LookRow {
  repo: string;
  /** What its refs named then was taken as it was. */
  firstAt: number;
  lastAt: number;
}

/** What a ref of a forge's repo named when it was looked at last. */
export interface SeenHeadRow {
  repo: string;
  ref: string;
  sha: string;
  seenAt: number;
}

/** A delivery that the forge could not bring to us, and that it was asked to send again. */
export interface MissedDeliveryRow {
  /** As the forge names it in its header. */
  deliveryId: string;
  repo: string;
  event: string;
  foundAt: number;
  recoveredAt: number | null;
}

/** A forge whose credential must wait or is refused. */
export interface CredentialRow {
  forge: ForgeName;
  pausedUntilAt: number;
  parkedReason: string | null;
}

/** The own remote's commit statuses, in GitHub's shape. */
export interface StatusRow {
  id: string;
  repo: string;
  sha: string;
  context: string;
  state: CommitState;
  description: string;
  targetUrl: string;
  createdAt: number;
}

/** A one-time sign-in link or a signed-in browser; only hashes are kept. */
export interface SessionRow {
  tokenHash: string;
  kind: "link" | "browser" | "ended";
  expiresAt: number;
}

/** One line of `when.schedule` of a repo's default branch. */
export interface ScheduleRow {
  repo: string;
  /** Five fields of cron, UTC. */
  pattern: string;
  /** The first instant that has not been built for. */
  nextAt: number;
  lastTickAt: number | null;
  createdAt: number;
}

/** An instant that a repo's schedules named and that was built for: once, whoever saw it come. */
export interface TickRow {
  repo: string;
  tickAt: number;
  buildId: string | null;
}

/** A secret's value, sealed with the key file beside the database. */
export interface SecretRow {
  repo: string;
  name: string;
  /** Which key sealed it, for a rotation. */
  keyId: string;
  /** `nonce.ciphertext.tag`, each base64url. */
  sealed: string;
  /** Patterns of the branches that may read it; null: all. */
  branchesJson: string | null;
  /** 1: pull requests of the same repo may read it too. */
  pullRequests: number;
  createdAt: number;
  updatedAt: number;
  lastUsedAt: number | null;
  /** Id of the job that it was handed to last. */
  lastUsedBy: string | null;
}
