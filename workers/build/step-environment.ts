import { branchOf, tagOf } from "../../src/domain/push.ts";
import type { BuildFacts } from "../../src/shared/message-parts.ts";

/** What every step finds in its environment; `-u` makes an unset variable an error, so all are set. */
export function stepEnvironment(facts: {
  readonly build: BuildFacts;
  readonly sha: string;
  readonly committedAtSeconds: number;
  readonly step: string;
  readonly target: string;
  readonly workspace: string;
  readonly home: string;
}): Readonly<Record<string, string>> {
  const { build } = facts;
  return {
    CI: "true",
    TATARA: "true",
    REPO: build.repo,
    PROJECT: "",
    GIT_SHA: facts.sha,
    GIT_REF: build.ref,
    GIT_BRANCH: branchOf(build.ref) ?? "",
    GIT_TAG: tagOf(build.ref) ?? "",
    GIT_BASE: "",
    PR_NUMBER: "",
    BUILD_NUMBER: String(build.number),
    BUILD_URL: build.url,
    STEP: facts.step,
    TARGET: facts.target,
    PKG_VERSION: "",
    PKG_RELEASE: "",
    SOURCE_DATE_EPOCH: String(facts.committedAtSeconds),
    WORKSPACE: facts.workspace,
    HOME: facts.home,
    TMPDIR: "/tmp",
  };
}
