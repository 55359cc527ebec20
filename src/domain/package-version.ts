import type { ReleaseRule, VersionRule } from "./pipeline.ts";
import { hasCaret } from "./rpm-abilities.ts";
import { compareRpmVersions, versionOfTag } from "./rpm-version.ts";

/** What git says of a commit, as far as a package's version depends on it. */
export interface VersionFacts {
  readonly target: string;
  readonly sha: string;
  /** Names of the tags on the commit itself. */
  readonly tags: readonly string[];
  /** Tags of the nearest commit before it that has one which the rule can read; null: there is none. */
  readonly before: {
    readonly tags: readonly string[];
    /** Commits since then, this one included. */
    readonly commits: number;
  } | null;
  /** Commits from the root to this one. */
  readonly count: number;
}

/** Version and release of a package, where they do not come from a spec. */
export interface PackageVersion {
  readonly version: string;
  /** As a spec's `Release` says it, `%{?dist}` included; null: the spec's own. */
  readonly release: string | null;
}

export type VersionAnswer =
  | { readonly kind: "spec" }
  | ({ readonly kind: "version" } & PackageVersion)
  /** `VERSION_TAG`: the tag and the version of the file contradict each other. */
  | { readonly kind: "refused"; readonly message: string; readonly hint: string };

const FIRST_VERSION = "0.1.0";

/** The table of pipeline-file.md 13.3: what is built here is newer than what was built before it. */
export function packageVersion(
  rule: VersionRule,
  release: ReleaseRule,
  facts: VersionFacts,
): VersionAnswer {
  switch (rule.kind) {
    case "spec":
      return { kind: "spec" };
    case "from-tag":
      return answer(versionFromTag(rule.pattern, facts), release);
    case "fixed": {
      const found = comingVersion(rule.version, facts);
      return typeof found === "string" ? answer(found, release) : found;
    }
  }
}

function answer(version: string, release: ReleaseRule): VersionAnswer {
  return { kind: "version", version, release: releaseText(release) };
}

function releaseText(rule: ReleaseRule): string | null {
  if (rule.kind === "spec") return null;
  return rule.kind === "auto" ? "1%{?dist}" : rule.release;
}

function versionFromTag(pattern: string | null, facts: VersionFacts): string {
  const here = newestVersion(facts.tags, pattern);
  if (here !== undefined) return here;
  const before = newestVersion(facts.before?.tags ?? [], pattern);
  if (before === undefined || facts.before === null) {
    return `${FIRST_VERSION}~dev.${since(facts)}`;
  }
  const after = hasCaret(facts.target) ? "^" : "+";
  return `${before}${after}${facts.before.commits}.${hashOf(facts)}`;
}

/** The version that is worked towards; a refusal once a tag says that it is out, or another. */
function comingVersion(version: string, facts: VersionFacts): string | VersionAnswer {
  const here = versionsOf(facts.tags, null);
  const own = here.filter((each) => isOf(each, version));
  if (own.length > 0) return newest(own) ?? version;
  if (here.length > 0) {
    const tag = facts.tags.find((each) => versionOfTag(each) === newest(here)) ?? "";
    return refused(
      `this commit is tagged ${tag}`,
      "raise the tag or the version, or write `version: from-tag`",
    );
  }
  const before = newestVersion(facts.before?.tags ?? [], null);
  if (before !== undefined && compareRpmVersions(before, version) >= 0) {
    return refused(
      `${before} is out, and the file says ${version}`,
      "name the next version, or write `version: from-tag`",
    );
  }
  return `${version}~dev.${since(facts)}`;
}

function isOf(tagged: string, version: string): boolean {
  return tagged === version || tagged.startsWith(`${version}~`);
}

function since(facts: VersionFacts): string {
  return `${facts.before?.commits ?? facts.count}.${hashOf(facts)}`;
}

function hashOf({ sha }: VersionFacts): string {
  return `g${sha.slice(0, 7)}`;
}

/** `api-v1.4.0` by `api-v*` → `1.4.0`; without a pattern `v1.4.0` and `1.4.0`. */
export function versionByPattern(tag: string, pattern: string | null): string | undefined {
  if (pattern === null) return versionOfTag(tag);
  const [head = "", tail = ""] = pattern.split("*");
  if (!tag.startsWith(head) || !tag.endsWith(tail)) return undefined;
  if (tag.length <= head.length + tail.length) return undefined;
  return versionOfTag(tag.slice(head.length, tag.length - tail.length));
}

/** Patterns of git's own for the tags that may be versions. */
export function tagGlobs(pattern: string | null): readonly string[] {
  return pattern === null ? ["v[0-9]*", "[0-9]*"] : [pattern];
}

function versionsOf(tags: readonly string[], pattern: string | null): readonly string[] {
  return tags.map((tag) => versionByPattern(tag, pattern)).filter((each) => each !== undefined);
}

function newestVersion(tags: readonly string[], pattern: string | null): string | undefined {
  return newest(versionsOf(tags, pattern));
}

function newest(versions: readonly string[]): string | undefined {
  return versions.toSorted(compareRpmVersions).at(-1);
}

function refused(message: string, hint: string): VersionAnswer {
  return { kind: "refused", message, hint };
}
