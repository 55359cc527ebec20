import { distOf } from "./channel.ts";

/**
 * The `%dist` for a package whose version the spec sets (`release: auto`). On a commit that is not
 * tagged with that version it carries the number of commits, so that each push is newer than the one
 * before: `1.el9` < `1.56.g….el9` < `1.57.g….el9` < `2.el9`. Not `^`: `1^57.g….el9` is below `1.el9`.
 */
export function distFor(facts: {
  readonly target: string;
  readonly versionTagOnCommit: boolean;
  /** Commits since the root, this one included. */
  readonly commitCount: number;
  readonly sha: string;
}): string {
  const dist = distOf(facts.target);
  if (facts.versionTagOnCommit) return dist;
  return `.${facts.commitCount}.g${facts.sha.slice(0, 7)}${dist}`;
}

/** Is the tag, without `refs/tags/`, the one of this version? */
export function tagMatchesVersion(tag: string, version: string): boolean {
  return versionOfTag(tag) === version;
}

/** `v1.5.0-rc.1` → `1.5.0~rc.1`, which rpm sorts before `1.5.0`. Undefined for other kinds of tags. */
export function versionOfTag(tag: string): string | undefined {
  const version = /^v?(\d[A-Za-z0-9.+_-]*)$/.exec(tag)?.[1];
  return version?.replace("-", "~").replaceAll("-", ".");
}

/**
 * Compares versions, or releases, as rpm does (rpmvercmp). Numbers count as numbers, letters as text,
 * everything else only separates; `~` sorts before the end of a version and `^` after it.
 */
export function compareRpmVersions(a: string, b: string): -1 | 0 | 1 {
  const left = segmentsOf(a);
  const right = segmentsOf(b);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const order = compareSegments(left[index] ?? "", right[index] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

/** Epoch first, then version, then release. */
export function compareEvr(a: Evr, b: Evr): -1 | 0 | 1 {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return compareRpmVersions(a.version, b.version) || compareRpmVersions(a.release, b.release);
}

export interface Evr {
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
}

function segmentsOf(version: string): readonly string[] {
  return version.match(/\d+|[A-Za-z]+|[~^]/g) ?? [];
}

/** `~` < nothing < `^` < letters < numbers; the end of a version is an empty segment. */
function compareSegments(a: string, b: string): -1 | 0 | 1 {
  const rankA = rankOf(a);
  const rankB = rankOf(b);
  if (rankA !== rankB) return rankA < rankB ? -1 : 1;
  return rankA === NUMBER ? compareNumbers(a, b) : compareText(a, b);
}

const NUMBER = 4;

function rankOf(segment: string): number {
  if (segment === "~") return 0;
  if (segment === "") return 1;
  if (segment === "^") return 2;
  return /^\d/.test(segment) ? NUMBER : 3;
}

/** Digits without end would not fit a number: the longer one is the greater. */
function compareNumbers(a: string, b: string): -1 | 0 | 1 {
  const digitsA = a.replace(/^0+/, "");
  const digitsB = b.replace(/^0+/, "");
  if (digitsA.length !== digitsB.length) return digitsA.length < digitsB.length ? -1 : 1;
  return compareText(digitsA, digitsB);
}

function compareText(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
