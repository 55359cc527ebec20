import type { ForgeName } from "../domain/push.ts";
import type { State } from "../domain/states.ts";
import type { StepKind } from "../domain/step.ts";
import type { FailureCard } from "../shared/protocol.ts";

/** What pages and the API show, read from the store in a fixed number of queries. */
export interface BuildSummary {
  readonly id: string;
  readonly repo: string;
  readonly number: number;
  readonly forge: ForgeName;
  readonly sha: string | null;
  readonly ref: string;
  readonly message: string;
  readonly authorName: string;
  readonly pusher: string;
  readonly event: "push" | "rerun";
  readonly state: State;
  /** Why it is skipped, cancelled or errored, or what it waits for; null otherwise. */
  readonly reason: string | null;
  readonly rerunOf: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly failure: FailureCard | null;
}

export interface BuildView extends BuildSummary {
  readonly before: string;
  readonly defaultBranch: string | null;
  readonly cancelRequestedAt: number | null;
  /** One line about a guess, or a cancel that came too late. */
  readonly note: string | null;
  readonly jobs: readonly JobView[];
  readonly publish: PublishView | null;
  readonly packages: readonly PackageView[];
  /** RPMs that the jobs uploaded, unsigned; offered as downloads when nothing was published. */
  readonly artifacts: readonly ArtifactView[];
}

export interface JobView {
  readonly id: string;
  readonly target: string | null;
  readonly state: State;
  readonly reason: string | null;
  readonly attempt: number;
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly worker: string | null;
  /** Of the newest attempt, in order; empty before the plan. */
  readonly steps: readonly StepView[];
}

export interface StepView {
  readonly name: string;
  readonly kind: StepKind;
  readonly state: State;
  readonly note: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly failure: StepFailureView | null;
}

export interface StepFailureView {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly exitCode: number | null;
}

export interface PublishView {
  readonly state: "queued" | "running" | "live" | "failed" | "errored" | "cancelled";
  readonly channels: readonly string[];
  readonly generations: readonly { readonly channel: string; readonly number: number }[];
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly durationMs: number | null;
  readonly keyFingerprint: string | null;
}

export interface PackageView {
  readonly nevra: string;
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  readonly summary: string;
  readonly license: string;
  readonly sizeBytes: number;
  readonly signedSha256: string;
  readonly fileName: string;
  readonly repo: string;
  readonly buildId: string;
  readonly buildNumber: number;
  readonly publishedAt: number;
  /** Where it is listed now. */
  readonly listings: readonly { readonly channel: string; readonly target: string }[];
}

export interface ArtifactView {
  readonly jobId: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly target: string;
}

export interface ChannelView {
  readonly name: string;
  /** 0 before the first publish. */
  readonly head: number;
  readonly updatedAt: number;
  readonly targets: readonly string[];
  /** Newest first within a name. */
  readonly packages: readonly PackageView[];
  readonly generations: readonly {
    readonly number: number;
    readonly buildId: string;
    readonly createdAt: number;
  }[];
}

export interface RepoView {
  readonly name: string;
  readonly forge: ForgeName;
  readonly defaultBranch: string | null;
  readonly createdAt: number;
}

export interface ReadStore {
  listBuilds(filter: {
    readonly repo?: string;
    readonly state?: State;
    readonly limit: number;
    /** Only builds created before this instant (for paging). */
    readonly beforeAt?: number;
  }): Promise<readonly BuildSummary[]>;
  buildById(id: string): Promise<BuildView | undefined>;
  buildByNumber(repo: string, number: number): Promise<BuildView | undefined>;
  repoByName(name: string): Promise<RepoView | undefined>;
  listRepos(): Promise<readonly RepoView[]>;
  listChannels(): Promise<readonly { name: string; head: number; updatedAt: number }[]>;
  channelByName(name: string): Promise<ChannelView | undefined>;
  /** How many builds there ever were, for `/metrics`: too much to count for each page. */
  buildCounts(): Promise<Readonly<Partial<Record<State, number>>>>;
  /** Numbers for pages, `/healthz` and `/metrics`: of what is under way, so they cost little. */
  counts(): Promise<{
    readonly jobsQueued: number;
    readonly jobsRunning: number;
    readonly publishesWaiting: number;
    readonly statusesWaiting: number;
    readonly oldestQueuedAt: number | null;
    readonly parkedForges: readonly { readonly forge: ForgeName; readonly reason: string }[];
    readonly liveWorkers: number;
  }>;
}

/** A step's log as bytes. */
export interface LogFiles {
  /** Appends exactly once, however often and in whatever order chunks are sent. */
  append(
    log: LogKey,
    offsetBytes: number,
    bytes: Uint8Array,
  ): Promise<{ kind: "acknowledged"; upToBytes: number } | { kind: "resend"; fromBytes: number }>;
  sizeOf(log: LogKey): Promise<number>;
  /** At most `maxBytes` from `fromBytes`; fewer at the end, empty when there is no log yet. */
  read(log: LogKey, fromBytes: number, maxBytes: number): Promise<Uint8Array>;
  stream(log: LogKey, fromBytes: number): NodeJS.ReadableStream;
}

export interface LogKey {
  readonly buildId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly step: string;
}

/** Tells open pages of this process that something changed. Whoever misses it reads the record. */
export interface Live {
  /** A build, its jobs, steps or publish changed. */
  buildChanged(buildId: string): void;
  /** A log has new bytes, up to `sizeBytes`. */
  logGrew(log: LogKey, sizeBytes: number): void;
  onBuild(listener: (buildId: string) => void): () => void;
  onLog(listener: (log: LogKey, sizeBytes: number) => void): () => void;
}
