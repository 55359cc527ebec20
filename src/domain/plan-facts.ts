import { branchOf, tagOf, type TrustClass } from "./push.ts";
import type { GitFacts } from "./pipeline.ts";

/** All that planning needs to know beside the pipeline; nothing else decides what is made of it. */
export interface PlanFacts {
  readonly git: GitFacts;
  readonly trust: TrustClass;
  /** A person asked for it, so `when`, which is about pushes, does not hold. */
  readonly isByHand: boolean;
  /** Without pull requests (the own remote) every branch is built where `when` says nothing. */
  readonly buildsAllBranches: boolean;
  /** False: nothing of this build is ever published, whatever its rules say. */
  readonly mayPublish: boolean;
  /** Targets that this server knows. */
  readonly targets: readonly string[];
  readonly defaultTarget: string;
  /** Project → files that changed; null or missing: everything counts as changed. */
  readonly changes: Readonly<Record<string, readonly string[] | null>>;
  /** Names of the secrets that this build may read. */
  readonly secrets: readonly string[];
  readonly fresh: boolean;
  readonly params: Readonly<Record<string, string>>;
}

/** `refs/pull/12/head` has a branch too: its own. */
export function branchOfBuild({ ref, pullRequest }: GitFacts): string {
  return pullRequest?.headBranch ?? branchOf(ref) ?? "";
}

export function tagOfBuild({ ref, pullRequest }: GitFacts): string {
  return pullRequest === null ? (tagOf(ref) ?? "") : "";
}
