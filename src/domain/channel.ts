import { matcherOf } from "./patterns.ts";
import type { PublishRule } from "./pipeline.ts";
import { branchOf, tagOf } from "./push.ts";

/** Channels that exist on every server from the start. */
export const CHANNELS = ["dev", "testing", "stable"] as const;

/** The channel that a promotion or removal must be confirmed for by typing a name. */
export const GUARDED_CHANNEL = "stable";

const CHANNEL = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const CHANNEL_NAME_MAX = 63;
const TARGET = /^[a-z0-9][a-z0-9-]{0,30}\.[a-z0-9_]{1,20}$/;

export function isChannelName(text: string): boolean {
  return CHANNEL.test(text) && !text.includes("..");
}

/** One that every server has, and that therefore nobody can delete. */
export function isFirstChannel(name: string): boolean {
  return (CHANNELS as readonly string[]).includes(name);
}

/** `el9.x86_64`, `debian12.x86_64`. */
export function isTargetName(text: string): boolean {
  return TARGET.test(text);
}

/** `el9.x86_64` for itself and for its siblings `el9.x86_64-source` and `el9.x86_64-debug`. */
export function mainTargetOf(target: string): string {
  return target.replace(/-(?:source|debug)$/, "");
}

export function distOf(target: string): string {
  const name = target.split(".")[0] ?? target;
  return `.${name.replace(/^fedora-/, "fc")}`;
}

/** What of a build decides where its packages go. */
export interface PublishedRef {
  readonly repo: string;
  readonly ref: string;
  /** Null while the forge has not said. */
  readonly defaultBranch: string | null;
  /** Number of the pull request; null: it is none. */
  readonly pullRequest: number | null;
}

/**
 * The channels that a build's packages go to: those of all rules that match. `promote-from` never
 * does, and a build that no rule matches keeps its packages as downloads.
 */
export function channelsFor(rules: readonly PublishRule[], facts: PublishedRef): readonly string[] {
  if (facts.pullRequest !== null) return [];
  const branch = branchOf(facts.ref);
  const tag = tagOf(facts.ref);
  const isMatch = ({ isDefaultBranch, branches, tags }: PublishRule): boolean =>
    (branch !== undefined && isDefaultBranch && branch === facts.defaultBranch) ||
    (branch !== undefined && matcherOf(branches)(branch)) ||
    (tag !== undefined && matcherOf(tags)(tag));
  const matching = rules.filter((rule) => rule.promoteFrom === null && isMatch(rule));
  return [...new Set(matching.map(({ channel }) => channel))];
}

/**
 * The channel of a branch that the rules leave out, or of a pull request: a child of the first
 * channel that takes branches.
 */
export function childChannelFor(
  rules: readonly PublishRule[],
  facts: PublishedRef,
):
  | { readonly parent: string; readonly name: string; readonly kind: "branch" | "pull-request" }
  | undefined {
  const taker = rules.find(
    ({ isDefaultBranch, branches }) => isDefaultBranch || branches.length > 0,
  );
  if (taker === undefined) return undefined;
  const parent = taker.channel;
  const { repo, pullRequest } = facts;
  if (pullRequest !== null) {
    return { parent, name: pullRequestChannelName(repo, pullRequest), kind: "pull-request" };
  }
  const branch = branchOf(facts.ref);
  // Without a known default branch this may be it, and its packages belong elsewhere.
  if (branch === undefined || facts.defaultBranch === null) return undefined;
  if (branch === facts.defaultBranch || channelsFor(rules, facts).length > 0) return undefined;
  return { parent, name: branchChannelName(repo, branch), kind: "branch" };
}

/** The channel that holds what one build made until it is verified: `build-<id>`. */
export function buildChannelName(buildId: string): string {
  return `build-${buildId}`;
}

export function isBuildChannel(name: string): boolean {
  return name.startsWith(buildChannelName(""));
}

/** `acme/hello` and `feature/new-ui` → `acme.hello.feature-new-ui-…`; the same for ever, never another's. */
export function branchChannelName(repo: string, branch: string): string {
  // Such a name is a pull request's.
  const isOther = /^pr-\d+$/.test(branch);
  return childName(repo, branch, isOther);
}

/** `acme/hello` and 12 → `acme.hello.pr-12`. */
export function pullRequestChannelName(repo: string, number: number): string {
  return childName(repo, `pr-${number}`, false);
}

const DIGEST_LENGTH = 11;

/**
 * Repo and suffix, joined by dots. What had to be changed for that ends in a digest of the original,
 * or two originals could meet in one name; a dot counts as changed, since it is also what joins.
 */
function childName(repo: string, suffix: string, mustDiffer: boolean): string {
  const [owner = "", name = ""] = repo.split("/");
  const parts = [owner, name, suffix];
  const plain = parts.join(".");
  const isPlain = parts.every((part) => /^[a-z0-9][a-z0-9_-]*$/.test(part));
  if (isPlain && !mustDiffer && plain.length <= CHANNEL_NAME_MAX) return plain;
  const digest = digestOf([repo, suffix].join(" "));
  const room = CHANNEL_NAME_MAX - DIGEST_LENGTH - 1;
  const slug = parts.map(slugOf).filter(Boolean).join(".").slice(0, room);
  return `${slug.replace(/[._-]+$/, "") || "x"}-${digest}`;
}

function slugOf(text: string): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9_]+/g, "-");
  return plain.replace(/^[-_]+|[-_]+$/g, "");
}

/** Two FNV-1a sums of 32 bits, 11 letters and digits: names are told apart, secrets are not kept. */
function digestOf(text: string): string {
  const sum = (seed: number): number => {
    let hash = seed;
    for (const byte of new TextEncoder().encode(text)) {
      hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    }
    return hash;
  };
  const high = sum(0x811c9dc5) % 2 ** 21;
  const letters = (high * 2 ** 32 + sum(0x01234567)).toString(36);
  return letters.padStart(DIGEST_LENGTH, "0");
}
