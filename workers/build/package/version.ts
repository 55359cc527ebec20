import { UserFault } from "../../../src/domain/faults.ts";
import type { PlannedPackage } from "../../../src/domain/job-spec.ts";
import { packageVersion, tagGlobs, versionByPattern } from "../../../src/domain/package-version.ts";
import type { PackageVersion } from "../../../src/domain/package-version.ts";
import type { Commit } from "../source/commit.ts";

/**
 * Version and release by git's facts, known before the first step; null where the spec says them.
 * Throws the `UserFault` "VERSION_TAG" when a tag and the file contradict each other.
 */
export async function readPackageVersion(
  { version: rule, release }: Pick<PlannedPackage, "version" | "release">,
  target: string,
  commit: Commit,
  signal: AbortSignal,
): Promise<PackageVersion | null> {
  if (rule.kind === "spec") return null;
  const pattern = rule.kind === "from-tag" ? rule.pattern : null;
  const isVersion = (tag: string) => versionByPattern(tag, pattern) !== undefined;
  const tags = commit.tags.filter(isVersion);
  const before =
    tags.length > 0
      ? null
      : await commit.tagsBefore({ globs: tagGlobs(pattern), isVersion }, signal);
  const { sha, count } = commit;
  const found = packageVersion(rule, release, { target, sha, count, tags, before });
  if (found.kind === "refused") {
    throw new UserFault("VERSION_TAG", found.message, { hint: found.hint, file: ".tatara.yml" });
  }
  return found.kind === "spec" ? null : { version: found.version, release: found.release };
}

/** `PKG_RELEASE` of the environment: without `%{?dist}`. */
export function plainRelease({ release }: PackageVersion): string {
  return (release ?? "").replaceAll("%{?dist}", "");
}
