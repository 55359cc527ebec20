import type { BuildEvent } from "../domain/pipeline.ts";
import type { CommitState } from "../domain/commit-status.ts";
import type { ForgeName } from "../domain/push.ts";
import type { State } from "../domain/states.ts";
import type { StepKind } from "../domain/step.ts";

/**
 * The columns that the checks read, as the database has them. Written down here a second time on
 * purpose: a witness that shares its code with the server would share its mistakes.
 */
export interface Rows {
  repos: { name: string; forge: ForgeName; nextNumber: number };
  deliveries: DeliveryRecord;
  builds: BuildRecord;
  jobs: JobRecord;
  steps: StepRecord;
  artifacts: { jobId: string; attempt: number; sha256: string; fileName: string };
  keptFiles: { jobId: string; attempt: number; step: string; path: string; sha256: string };
  publishes: PublishRecord;
  channels: { name: string; head: number; parent: string | null };
  generations: { channel: string; number: number; sweptAt: number | null };
  packages: PackageRecord;
  listings: ListingRecord;
  outbox: OutboxRecord;
  statuses: StatusRecord;
}

export interface DeliveryRecord {
  id: string;
  forge: ForgeName;
  deliveryId: string;
  repo: string | null;
  ref: string | null;
  after: string | null;
  receivedAt: number;
  disposition: "accepted" | "duplicate" | "ignored";
  reason: string | null;
  buildId: string | null;
}

export interface BuildRecord {
  id: string;
  repo: string;
  number: number;
  forge: ForgeName;
  event: BuildEvent;
  sha: string | null;
  ref: string;
  before: string;
  after: string;
  state: State;
  reason: string | null;
  isReady: 0 | 1;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  cancelRequestedAt: number | null;
  waitReason: string | null;
  pipelineJson: string | null;
  mayPublish: number;
  trust: string;
  failureJson: string | null;
  /** Absent: the database is of a version that removed nothing. */
  logsRemovedAt?: number | null;
}

export interface JobRecord {
  id: string;
  buildId: string;
  name: string;
  kind: string;
  state: State;
  reason: string | null;
  attempt: number;
  isBlocked: number;
  notBeforeAt: number;
  queuedAt: number;
  endedAt: number | null;
  worker: string | null;
  leaseTokenHash: string | null;
  leaseExpiresAt: number | null;
}

export interface StepRecord {
  jobId: string;
  attempt: number;
  name: string;
  kind: StepKind;
  state: State;
  startedAt: number | null;
  endedAt: number | null;
}

export interface PublishRecord {
  id: string;
  kind: string;
  purpose: "stage" | "final";
  buildId: string | null;
  state: "queued" | "running" | "live" | "failed" | "errored" | "cancelled";
  notBeforeAt: number;
  queuedAt: number;
  endedAt: number | null;
  leaseExpiresAt: number | null;
  generationsJson: string | null;
}

export interface PackageRecord {
  nevra: string;
  unsignedSha256: string;
  signedSha256: string;
  fileName: string;
  buildId: string | null;
  sweptAt: number | null;
  freedAt: number | null;
}

export interface ListingRecord {
  channel: string;
  target: string;
  nevra: string;
  name: string;
  untilGeneration: number | null;
}

export interface OutboxRecord {
  forge: ForgeName;
  repo: string;
  sha: string;
  buildId: string;
  buildNumber: number;
  state: CommitState;
  version: number;
  sentVersion: number;
  terminalReason: string | null;
  lastProblem: string | null;
  createdAt: number;
  updatedAt: number;
}

export interface StatusRecord {
  repo: string;
  sha: string;
  state: CommitState;
  targetUrl: string;
  createdAt: number;
}
