import type { CommitState } from "../../domain/commit-status.ts";

/** What a commit should show under one context. */
export interface StatusToPost {
  /** `owner/name`. */
  readonly repo: string;
  readonly sha: string;
  readonly context: string;
  readonly state: CommitState;
  readonly description: string;
  readonly targetUrl: string;
}

/** What the forge made of it. Only shutting down is thrown. */
export type PostResult =
  | { readonly kind: "sent" }
  /** It named the time: nothing with this credential before that. */
  | { readonly kind: "wait"; readonly afterMs: number; readonly reason: string }
  /** It did not answer, or answered that it cannot now; an outage is its own trouble, not this status's. */
  | { readonly kind: "unavailable"; readonly isOutage: boolean; readonly reason: string }
  /** The credential itself is not accepted. */
  | { readonly kind: "refused"; readonly reason: string }
  /** It will never take this one. */
  | { readonly kind: "terminal"; readonly reason: string };

/** A place that shows commit statuses. */
export interface Forge {
  postStatus(status: StatusToPost, signal: AbortSignal): Promise<PostResult>;
  /** The newest state that the commit shows under this context; undefined if it cannot be read. */
  readState(
    status: Pick<StatusToPost, "repo" | "sha" | "context">,
    signal: AbortSignal,
  ): Promise<CommitState | undefined>;
}
