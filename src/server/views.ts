import type { JobKind } from "../domain/job-spec.ts";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import type { BuildEvent, PullRequestFacts } from "../domain/pipeline.ts";
import type { ForgeName } from "../domain/push.ts";
import type { State } from "../domain/states.ts";
import type { Waiting } from "../domain/waiting.ts";
import type { StepKind } from "../domain/step.ts";
import type { StepDetails } from "../shared/build-messages.ts";
import type { ChangeCause, ChangeResult } from "../shared/channel-changes.ts";
import type { ChannelSettings } from "../shared/channel-settings.ts";
import type { FailureCard } from "../shared/message-parts.ts";
import type { RefusedStatus, StuckCounts } from "./stuck.ts";
import type { TestsSummary } from "./test-views.ts";

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
  readonly event: BuildEvent;
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
  readonly pullRequest: PullRequestFacts | null;
  /** What a person gave to a manual build. */
  readonly params: Readonly<Record<string, string>>;
  /** The newer build that took its place. */
  readonly supersededBy: { readonly id: string; readonly number: number } | null;
  /** The build whose packages this one was made to be compared with. */
  readonly compareWith: ComparedView | null;
  /** It used nothing that earlier builds left. */
  readonly isFresh: boolean;
  /** Why it may not start yet. */
  readonly waitReason: string | null;
  /** The pipeline file as it was read; null: none, or not read yet. */
  readonly file: PipelineFileView | null;
  /** Where there is no file: the guess as one. */
  readonly guess?: string | null;
  /** One line about a guess, or a cancel that came too late. */
  readonly note: string | null;
  readonly jobs: readonly JobView[];
  /** To the build's own channel, where its packages are verified; null: nothing is. */
  readonly staging: PublishView | null;
  readonly publish: PublishView | null;
  readonly packages: readonly PackageView[];
  /** What its reports say; null: no step had any. */
  readonly tests: TestsSummary | null;
  /** RPMs that the jobs uploaded, unsigned; offered as downloads when nothing was published. */
  readonly artifacts: readonly ArtifactView[];
  /** While nothing of it runs: why, and for how long still. */
  readonly waiting?: Waiting | null;
  /** Files that its steps keep. */
  readonly kept: readonly KeptView[];
  /** Who was in containers of its failed steps; absent: nobody. */
  readonly shells?: readonly ShellView[];
  /** Since when its logs and uploads are removed; absent or null: it has them. */
  readonly logsRemovedAt?: number | null;
  /** Its commit shows nothing of it, or something older, and never will; absent or null: no such thing. */
  readonly refusedStatus?: RefusedStatus | null;
}

/** One shell in a failed step's container. */
export interface ShellView {
  readonly jobId: string;
  readonly step: string;
  readonly by: string;
  readonly startedAt: number;
  /** Null: somebody is still in it. */
  readonly endedAt: number | null;
  /** Null: it was cut off, or is still open. */
  readonly exitCode: number | null;
  readonly endReason: string | null;
}

/** A file that a step kept, with the job that it is of. */
export interface KeptView {
  readonly jobId: string;
  readonly jobName: string;
  readonly step: string;
  /** In the step's workspace. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly isExecutable: boolean;
  readonly expiresAt: number;
}

export interface PipelineFileView {
  readonly name: string;
  readonly text: string;
  /** Warnings alone, unless the build failed by it. */
  readonly problems: readonly PipelineProblem[];
}

export interface JobView {
  readonly id: string;
  /** `el9.x86_64`, `api el9.x86_64 verify`; empty before the plan. */
  readonly name: string;
  /** Empty without projects. */
  readonly project: string;
  readonly kind: JobKind;
  readonly target: string | null;
  /** Which machines may take it; null: any. */
  readonly arch: string | null;
  /** While it is queued. */
  readonly waiting?: Waiting | null;
  /** Ids of the jobs that must have passed before. */
  readonly needs: readonly string[];
  readonly state: State;
  readonly reason: string | null;
  readonly attempt: number;
  /** Those before it that ended without a result, the oldest first; absent: none. */
  readonly lostAttempts?: readonly LostAttemptView[];
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly worker: string | null;
  /** Of the newest attempt, in order; empty before the plan. */
  readonly steps: readonly StepView[];
}

export interface LostAttemptView {
  readonly attempt: number;
  /** Its worker gave it back, so it was nobody's fault. */
  readonly isHandedBack: boolean;
  /** A sentence without its end: `its worker was stopped`. */
  readonly reason: string;
  readonly worker: string | null;
  readonly endedAt: number;
  /** Names of the steps that had begun, which have a log. */
  readonly steps: readonly string[];
}

export interface StepView {
  readonly name: string;
  /** As people read it: `unit (node 22)`. */
  readonly title: string;
  readonly kind: StepKind;
  readonly state: State;
  readonly note: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly failure: StepFailureView | null;
  /** Null until it has ended. */
  readonly details: StepDetails | null;
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
  /** While it is queued and nobody takes it: why; absent or null: somebody does. */
  readonly waiting?: string | null;
  readonly state: "queued" | "running" | "live" | "failed" | "errored" | "cancelled";
  readonly channels: readonly string[];
  readonly generations: readonly { readonly channel: string; readonly number: number }[];
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly durationMs: number | null;
  readonly keyFingerprint: string | null;
  /** Worth telling, and no reason to stop. */
  readonly warnings: readonly string[];
}

export interface PackageView {
  readonly nevra: string;
  readonly name: string;
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  readonly summary: string;
  readonly license: string;
  readonly sizeBytes: number;
  readonly signedSha256: string;
  readonly fileName: string;
  /** Who owns the name; empty for an imported package. */
  readonly repo: string;
  /** Null for an imported package. */
  readonly buildId: string | null;
  readonly buildNumber: number | null;
  readonly publishedAt: number;
  /** Hidden from every channel, and why. */
  readonly yanked: {
    readonly at: number;
    readonly reason: string;
    readonly refused: boolean;
  } | null;
  /** Where it is listed now. */
  readonly listings: readonly { readonly channel: string; readonly target: string }[];
}

/** One name, as lists of packages show it. */
export interface PackageNameView {
  readonly name: string;
  readonly summary: string;
  readonly repo: string;
  /** Channel → the newest version there, `epoch:version-release`. */
  readonly newest: Readonly<Record<string, string>>;
  readonly publishedAt: number;
}

export interface ComparedView {
  readonly id: string;
  readonly number: number;
  /** Names of the packages whose bytes are not the same; null until this build has passed. */
  readonly differing: readonly string[] | null;
}

export interface ArtifactView {
  readonly jobId: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly target: string;
}

export interface ChannelSummary {
  readonly name: string;
  /** 0 before the first publish. */
  readonly head: number;
  readonly updatedAt: number;
  /** What it was forked from; null for a channel of its own. */
  readonly parent: { readonly name: string; readonly number: number } | null;
  readonly expiresAt: number | null;
  readonly settings: ChannelSettings;
  /** Without layers; sorted. */
  readonly targets: readonly { readonly name: string; readonly packages: number }[];
}

export interface ChannelView extends ChannelSummary {
  /** The newest, up to a limit. */
  readonly generations: readonly GenerationView[];
}

export interface GenerationView {
  readonly number: number;
  readonly createdAt: number;
  readonly base: number;
  readonly isPinned: boolean;
  /** False once its files are swept: nothing can go back to it. */
  readonly isKept: boolean;
  /** Served name → the generation that has its metadata. */
  readonly targets: Readonly<Record<string, number>>;
  readonly causes: readonly ChangeCause[];
  /** What hosts saw appear and go, up to a limit. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What promoting all of one channel would mean for hosts of another: names of their targets. */
export interface PromotionCounts {
  readonly added: number;
  readonly updated: number;
}

export interface RepoView {
  readonly name: string;
  readonly forge: ForgeName;
  readonly defaultBranch: string | null;
  readonly createdAt: number;
}

/** Numbers for pages, `/healthz` and `/metrics`: of what is under way, so they cost little. */
export interface Counts extends StuckCounts {
  readonly jobsQueued: number;
  readonly jobsRunning: number;
  readonly oldestQueuedAt: number | null;
  readonly parkedForges: readonly { readonly forge: ForgeName; readonly reason: string }[];
  /** Deliveries of the last 30 days that did not come by themselves, and how many are here by now. */
  readonly missed?: { readonly missed: number; readonly recovered: number };
  readonly liveWorkers: number;
  /** Workers that say why they take no jobs. */
  readonly troubles: readonly { readonly worker: string; readonly trouble: string }[];
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
  listChannels(): Promise<readonly ChannelSummary[]>;
  channelByName(name: string): Promise<ChannelView | undefined>;
  /** Of channels that are no copies; counted once for two generations. */
  promotionCounts(
    from: Pick<ChannelSummary, "name" | "head">,
    to: Pick<ChannelSummary, "name" | "head">,
  ): Promise<PromotionCounts>;
  /** What a channel's target lists, by name and newest first within a name; pages by name. */
  channelPackages(filter: {
    readonly channel: string;
    readonly target: string;
    readonly query?: string;
    readonly afterName?: string;
    /** Names, not versions. */
    readonly limit: number;
  }): Promise<readonly PackageView[]>;
  /** Names by prefix or part, in order. */
  listPackages(filter: {
    readonly query?: string;
    readonly afterName?: string;
    readonly limit: number;
  }): Promise<readonly PackageNameView[]>;
  /** Every version ever published under a name, newest first, up to 200. */
  packagesByName(name: string): Promise<readonly PackageView[]>;
  packageByNevra(nevra: string): Promise<PackageView | undefined>;
  /** A change of channels that is no build's. */
  changeById(publishId: string): Promise<ChangeResult | undefined>;
  /** How many builds there ever were, for `/metrics`: too much to count for each page. */
  buildCounts(): Promise<Readonly<Partial<Record<State, number>>>>;
  counts(): Promise<Counts>;
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
  /** All from `fromBytes` on, if it is among the last that came; undefined: it has to be read. */
  recent(log: LogKey, fromBytes: number): Promise<Uint8Array | undefined>;
  /** At most `maxBytes` from `fromBytes`; fewer at the end, empty when there is no log yet. */
  read(log: LogKey, fromBytes: number, maxBytes: number): Promise<Uint8Array>;
  stream(log: LogKey, fromBytes: number): NodeJS.ReadableStream;
}

/** Says in the log of a step that its worker was lost there; what it has then, in bytes. */
export interface LostLogs {
  endLost(log: LogKey): Promise<number>;
}

export interface LogKey {
  readonly buildId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly step: string;
}

/** A publish, a build's or not, that is in another state or has come further. */
export interface PublishChange {
  readonly id: string;
  /** Names of all channels that it touches. */
  readonly channels: readonly string[];
}

/** Tells open pages of this process that something changed. Whoever misses it reads the record. */
export interface Live {
  /** A build, its jobs, steps or publish changed. */
  buildChanged(buildId: string): void;
  publishChanged(change: PublishChange): void;
  /** A log has new bytes, up to `sizeBytes`. */
  logGrew(log: LogKey, sizeBytes: number): void;
  onBuild(listener: (buildId: string) => void): () => void;
  onPublish(listener: (change: PublishChange) => void): () => void;
  onLog(listener: (log: LogKey, sizeBytes: number) => void): () => void;
}
