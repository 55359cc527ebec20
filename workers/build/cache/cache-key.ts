import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { JobSpec, PlannedImage, PlannedTest } from "../../../src/domain/job-spec.ts";
import { matcherOf } from "../../../src/domain/patterns.ts";
import type { BuildFacts } from "../../../src/shared/message-parts.ts";
import { branchOf } from "../../../src/domain/push.ts";
import type { Image } from "../engine.ts";
import type { TreeEntry } from "../source/commit.ts";

/** What decides which cache a step may have; all of it text, so that it compares. */
export interface CacheWish {
  readonly repo: string;
  /** Everything that must be the same: paths, image digest, lock files, epoch. */
  readonly key: string;
  /** What must be the same even where the lock files are not: paths, image name, epoch. */
  readonly family: string;
  /** Whose entries may be read, the first first. */
  readonly reads: readonly CacheScope[];
  /** Under which it is saved; null: it is not. */
  readonly writes: CacheScope | null;
  /** Its entries are seen by pull requests, so it has its own of what other branches have already. */
  readonly isDefaultBranch: boolean;
}

/** `branch main`, `pr 12`: entries belong to one, and are never handed to another's class. */
export type CacheScope = string;
/** Every branch that members push to. */
export const ANY_BRANCH: CacheScope = "branch *";

const LOCK_FILES = matcherOf([
  "package-lock.json",
  "pnpm-lock.yaml",
  "yarn.lock",
  "go.sum",
  "Cargo.lock",
  "poetry.lock",
  "uv.lock",
  "requirements*.txt",
  "Gemfile.lock",
  "composer.lock",
]);

export interface CacheFacts {
  readonly build: BuildFacts;
  readonly spec: Pick<JobSpec, "project" | "projectPath">;
  readonly step: Pick<PlannedTest, "cache" | "user">;
  readonly planned: PlannedImage;
  readonly image: Image;
  readonly entries: readonly TreeEntry[];
  readonly epoch: number;
}

/** Undefined: the step has no cache. */
export function cacheWish(facts: CacheFacts): CacheWish | undefined {
  const { build, spec, step, planned, image, epoch } = facts;
  if (step.cache === null || step.cache.paths.length === 0) return undefined;
  const { paths } = step.cache;
  const family = digest([epoch, spec.project, step.user, paths, nameOf(planned)]);
  const key = digest([family, image.digest, lockFiles(facts)]);
  return { repo: build.repo, key, family, ...scopesOf(build) };
}

/** Path and content of each file that decides what the cache should hold. */
function lockFiles({ spec, step, entries }: CacheFacts): readonly string[] {
  const { keyFiles } = step.cache ?? { keyFiles: null };
  const prefix = spec.projectPath === "" ? "" : `${spec.projectPath}/`;
  const isKey =
    keyFiles === null
      ? (path: string) => path.startsWith(prefix) && LOCK_FILES(posix.basename(path))
      : matcherOf(keyFiles);
  return entries
    .filter(({ kind, path }) => kind === "file" && isKey(path))
    .map(({ path, blob }) => `${blob} ${path}`)
    .toSorted();
}

function nameOf({ image }: PlannedImage): string {
  if (image.kind === "dockerfile") return `./${image.path} ${image.stage ?? ""}`;
  return image.kind === "named" ? image.name : "";
}

/** A pull request reads its base's entries and writes its own; a fork's writes none. */
function scopesOf(build: BuildFacts): Pick<CacheWish, "reads" | "writes" | "isDefaultBranch"> {
  const { trust, pullRequest, ref, defaultBranch } = build;
  const ofBranch = (branch: string | null): CacheScope[] =>
    branch === null ? [] : [`branch ${branch}`];
  const byDefault = ofBranch(defaultBranch);
  if (pullRequest !== null || trust === "fork-pr" || trust === "internal-pr") {
    const base = ofBranch(pullRequest?.baseBranch ?? defaultBranch);
    const isOwn = trust === "internal-pr" && pullRequest !== null && !pullRequest.isFork;
    const own = isOwn ? [`pr ${pullRequest.number}`] : [];
    return { reads: [...own, ...base], writes: own[0] ?? null, isDefaultBranch: false };
  }
  const [own] = ofBranch(branchOf(ref) ?? null);
  const reads = [...new Set([...(own === undefined ? [] : [own]), ...byDefault]), ANY_BRANCH];
  // What a person started by hand may hold code that nobody pushed.
  const writes = trust === "trusted" ? (own ?? null) : null;
  return { reads, writes, isDefaultBranch: own !== undefined && own === byDefault[0] };
}

function digest(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
