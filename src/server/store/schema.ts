import type { State } from "../../domain/states.ts";
import type { CommitState } from "../../domain/commit-status.ts";
import type { PublishRule } from "../../domain/publish-rules.ts";
import type { ForgeName } from "../../domain/push.ts";
import type { StepKind } from "../../domain/step.ts";
import type { PublishKind } from "../../shared/publish-grants.ts";

/**
 * The tables, one interface each. Columns that end in `At` are epoch milliseconds; those that end in
 * `Json` hold JSON text. Ids are opaque strings. Booleans are 0 and 1, since SQLite has no others.
 */
export interface Tables {
  repos: RepoRow;
  deliveries: DeliveryRow;
  builds: BuildRow;
  jobs: JobRow;
  steps: StepRow;
  artifacts: ArtifactRow;
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
  statuses: StatusRow;
  sessions: SessionRow;
}

export interface RepoRow {
  /** `owner/name`, unique on this server. */
  name: string;
  forge: ForgeName;
  defaultBranch: string | null;
  /** Number that the next build gets. */
  nextNumber: number;
  createdAt: number;
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
}

export interface BuildRow {
  id: string;
  repo: string;
  number: number;
  forge: ForgeName;
  event: "push" | "rerun";
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
  /** The plan's pipeline, once recorded. */
  pipelineJson: string | null;
  /** One line about a guess, or a cancel that came too late. */
  note: string | null;
  failureJson: string | null;
  /** The text of the repository's errata file; null: it has none. */
  errata: string | null;
}

export interface JobRow {
  id: string;
  buildId: string;
  position: number;
  target: string | null;
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
  leaseTokenHash: string | null;
  leaseExpiresAt: number | null;
}

export interface StepRow {
  jobId: string;
  attempt: number;
  name: string;
  kind: StepKind;
  position: number;
  state: State;
  note: string | null;
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

/** Work for a publish worker: a build's packages, or a change of channels that somebody asked for. */
export interface PublishRow {
  id: string;
  kind: PublishKind;
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
  createdAt: number;
  updatedAt: number;
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
  kind: "link" | "browser";
  expiresAt: number;
}
