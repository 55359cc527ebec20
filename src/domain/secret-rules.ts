import type { JobSpec } from "./job-spec.ts";
import { matcherOf } from "./patterns.ts";
import { PIPELINE_NAME_LENGTH_MAX } from "./pipeline-keys.ts";
import type { PullRequestFacts } from "./pipeline.ts";
import { branchOf, type TrustClass } from "./push.ts";
import { TEXT_RULES } from "./text-rules.ts";

/** Shorter ones would be found in every other line of a log, and masked there. */
export const SECRET_CHARACTERS_MIN = 8;
export const SECRET_BYTES_MAX = 64 * 1024;
/** What the pipeline file can name. */
export function isSecretName(text: string): boolean {
  return text.length <= PIPELINE_NAME_LENGTH_MAX && TEXT_RULES["secret-name"].test(text);
}

/** Who may read a secret, as its owner set it. */
export interface SecretRule {
  /** Patterns; null: builds of every branch and tag. */
  readonly branches: readonly string[] | null;
  /** Pull requests of the same repo may, too. */
  readonly pullRequests: boolean;
}

/** What of a build decides which secrets it may read. */
export interface SecretReader {
  readonly trust: TrustClass;
  readonly ref: string;
  readonly pullRequest: Pick<PullRequestFacts, "baseBranch"> | null;
}

/**
 * A fork's pull request reads none, ever. One of the same repo reads those that are marked for it, by
 * the branch that it is for: what its own branch is called is its author's choice.
 */
export function mayReadSecret(rule: SecretRule, reader: SecretReader): boolean {
  const { trust, pullRequest, ref } = reader;
  if (trust === "fork-pr") return false;
  const isPull = trust === "internal-pr" || pullRequest !== null;
  if (isPull && !rule.pullRequests) return false;
  if (rule.branches === null) return true;
  const branch = isPull ? pullRequest?.baseBranch : branchOf(ref);
  return branch !== undefined && matcherOf(rule.branches)(branch);
}

/** Names of the secrets that a job's steps and image builds ask for. */
export function secretsUsedBy(spec: JobSpec): ReadonlySet<string> {
  const steps = [...spec.tests, ...spec.packages].flatMap(({ secrets }) =>
    secrets.map(({ name }) => name),
  );
  const images = spec.images.flatMap(({ image }) =>
    image.kind === "dockerfile" ? image.secrets : [],
  );
  return new Set([...steps, ...images]);
}
