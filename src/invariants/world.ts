import type { CommitState } from "../domain/commit-status.ts";
import type { ForgeName } from "../domain/push.ts";
import type { Records } from "./records.ts";

/** All that the checks may look at. What is not there is not judged, and the verdict says so. */
export interface World {
  readonly dataDir: string;
  readonly now: () => number;
  /** The server answers: it repairs what it finds, so differences must pass by themselves. */
  readonly isServing: boolean;
  /** A build worker lives: it removes what dead ones left. */
  readonly isWorking: boolean;
  /** Everything is said to have ended: what is still under way is a finding too. */
  readonly isSettled: boolean;
  readonly engine?: EngineView;
  readonly queues?: QueueView;
  readonly forges: Readonly<Partial<Record<ForgeName, ForgeView>>>;
  /** Values that nobody may find anywhere. */
  readonly secrets: readonly KnownSecret[];
  /** What may be asked for over HTTP, each with a name; searched for secrets. */
  readonly answers?: () => AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>;
  /** Processes of this Tatara that run here. */
  readonly processes: () => Promise<readonly ProcessView[]>;
  /** Checks a detached signature as clients do; throws if it is bad. */
  readonly verifySignature: (path: string, signaturePath: string) => Promise<void>;
  readonly waitingBuildsMax: number;
  readonly signal: AbortSignal;
}

/** One look at a world: what it shows, with records of one moment. */
export interface Look extends World {
  readonly records: Records;
}

export interface KnownSecret {
  /** Names it in a finding; the value never does. */
  readonly name: string;
  readonly value: string;
  /** Files below the data folder that hold it on purpose. */
  readonly home?: readonly string[];
}

/** What carries our labels on the engine. */
export interface EngineView {
  things(): Promise<readonly EngineThing[]>;
  /** How each image of ours was made, one text each. */
  imageHistories(): Promise<readonly { readonly image: string; readonly text: string }[]>;
}

export interface EngineThing {
  readonly kind: "container" | "network" | "volume";
  readonly name: string;
  readonly workerId: string;
  readonly jobId: string;
  readonly attempt: number;
}

export interface QueueView {
  tickets(queue: "build" | "publish" | "report"): Promise<readonly string[]>;
  memoryBytes(): Promise<number>;
  /** Every key with what it holds. */
  contents(): AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>;
}

/** A forge as everybody sees it. */
export interface ForgeView {
  /** Oldest first; undefined: it could not be asked. */
  statusesOf(repo: string, sha: string): Promise<readonly ShownStatus[] | undefined>;
}

export interface ShownStatus {
  readonly state: CommitState;
  /** Names the build. */
  readonly targetUrl: string | null;
}

export interface ProcessView {
  readonly name: string;
  readonly pid: number;
  readonly rssBytes: number;
  readonly openFiles: number;
  readonly openFilesMax: number;
  readonly threads: number;
}
