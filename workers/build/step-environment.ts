import { branchOf, tagOf } from "../../src/domain/push.ts";
import type { BuildFacts } from "../../src/shared/message-parts.ts";

export interface StepFacts {
  readonly build: BuildFacts;
  readonly sha: string;
  readonly committedAtSeconds: number;
  /** "" without projects. */
  readonly project: string;
  readonly step: string;
  readonly target: string;
  readonly workspace: string;
  readonly home: string;
  /** Known before the first step, or empty. */
  readonly packageVersion?: string;
  readonly packageRelease?: string;
}

/** What every step finds in its environment; `-u` makes an unset variable an error, so all are set. */
export function stepEnvironment(facts: StepFacts): Readonly<Record<string, string>> {
  const { build } = facts;
  const { pullRequest } = build;
  return {
    CI: "true",
    TATARA: "true",
    REPO: build.repo,
    PROJECT: facts.project,
    GIT_SHA: facts.sha,
    GIT_REF: build.ref,
    GIT_BRANCH: pullRequest?.headBranch ?? branchOf(build.ref) ?? "",
    GIT_TAG: tagOf(build.ref) ?? "",
    GIT_BASE: pullRequest?.baseBranch ?? "",
    PR_NUMBER: pullRequest === null ? "" : String(pullRequest.number),
    BUILD_NUMBER: String(build.number),
    BUILD_URL: build.url,
    STEP: facts.step,
    TARGET: facts.target,
    PKG_VERSION: facts.packageVersion ?? "",
    PKG_RELEASE: facts.packageRelease ?? "",
    SOURCE_DATE_EPOCH: String(facts.committedAtSeconds),
    WORKSPACE: facts.workspace,
    HOME: facts.home,
    TMPDIR: "/tmp",
  };
}
