import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import type { State } from "../domain/states.ts";
import { STATES } from "../domain/states.ts";
import type { FailureCard } from "../shared/message-parts.ts";

/** What the command line reads of the API's answers; docs/reference/api.md has every field. */
export interface ApiBuildSummary {
  readonly id: string;
  readonly repo: string;
  readonly number: number;
  readonly url: string;
  readonly sha: string | null;
  readonly ref: string;
  readonly message: string;
  readonly authorName: string;
  readonly state: State;
  readonly reason: string | null;
  readonly failure: FailureCard | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

export interface ApiBuild extends ApiBuildSummary {
  readonly note: string | null;
  /** The pipeline file and what is wrong with it; null: there is none. */
  readonly file?: {
    readonly name: string;
    readonly text: string;
    readonly problems: readonly PipelineProblem[];
  } | null;
  readonly jobs: readonly ApiJob[];
  /** To the build's own channel, where its packages are verified. */
  readonly staging?: ApiPublish | null;
  readonly publish: ApiPublish | null;
  readonly packages: readonly ApiPackage[];
  /** RPMs as the jobs made them. */
  readonly artifacts: readonly { readonly fileName: string; readonly target: string }[];
  readonly timings: {
    readonly waitedMs: number | null;
    readonly ranMs: number | null;
    readonly publishMs: number | null;
    readonly totalMs: number | null;
  };
}

export interface ApiJob {
  readonly id: string;
  /** `el9.x86_64`, `api el9.x86_64`, `el9.x86_64 verify`. */
  readonly name?: string | null;
  readonly project?: string | null;
  readonly target: string | null;
  readonly state: State;
  readonly reason: string | null;
  readonly attempt: number;
  /** While it is queued; `ahead` is null where it is not in the line. */
  readonly waiting?: { readonly reason: string; readonly ahead: number | null } | null;
  /** An older server does not say. */
  readonly lostAttempts?: readonly {
    readonly attempt: number;
    readonly isHandedBack: boolean;
    readonly reason: string;
  }[];
  readonly steps: readonly ApiStep[];
}

export interface ApiStep {
  readonly name: string;
  readonly kind: string;
  readonly state: State;
  readonly note: string | null;
  readonly startedAt: string | null;
  readonly durationMs: number | null;
  readonly url: string;
}

export interface ApiPublish {
  /** Why nobody takes it while it is queued. */
  readonly waiting?: string | null;
  readonly state: "queued" | "running" | "live" | "failed" | "errored" | "cancelled";
  readonly channels: readonly string[];
  readonly generations: readonly { readonly channel: string; readonly number: number }[];
  readonly keyFingerprint: string | null;
  readonly durationMs: number | null;
}

export interface ApiPackage {
  readonly nevra: string;
  readonly name: string;
  readonly version: string;
  readonly listings: readonly { readonly channel: string; readonly target: string }[];
}

/** A commit status in GitHub's shape. */
export interface ApiStatus {
  readonly state: string;
  readonly context: string;
  readonly description: string | null;
  readonly target_url: string | null;
}

export interface ApiHealth {
  readonly status: string;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** The answer is from a server of ours: only what decides is looked at, a newer one may say more. */
export function isBuildSummary(value: unknown): value is ApiBuildSummary {
  const { id, repo, number, state } = (value ?? {}) as Partial<Record<string, unknown>>;
  const isKnownState = STATES.some((known) => known === state);
  return (
    [id, repo].every((one) => typeof one === "string") && typeof number === "number" && isKnownState
  );
}

export function isBuild(value: unknown): value is ApiBuild {
  return isBuildSummary(value) && "jobs" in value && Array.isArray(value.jobs);
}
