import { branchOf } from "./push.ts";

/** Channels that exist on every server from the start. */
export const CHANNELS = ["dev", "testing", "stable"] as const;

const CHANNEL = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const TARGET = /^[a-z0-9][a-z0-9-]{0,30}\.[a-z0-9_]{1,20}$/;

export function isChannelName(text: string): boolean {
  return CHANNEL.test(text) && !text.includes("..");
}

/** `el9.x86_64`, `debian12.x86_64`. */
export function isTargetName(text: string): boolean {
  return TARGET.test(text);
}

export function distOf(target: string): string {
  const name = target.split(".")[0] ?? target;
  return `.${name.replace(/^fedora-/, "fc")}`;
}

/**
 * The channels that a build's packages go to. `publish: dev` means the default branch only; a build
 * that no rule matches keeps its packages as downloads.
 */
export function channelsFor(facts: {
  readonly publish: string | null;
  readonly ref: string;
  readonly defaultBranch: string | undefined;
}): readonly string[] {
  const branch = branchOf(facts.ref);
  if (facts.publish === null || branch === undefined) return [];
  return branch === facts.defaultBranch ? [facts.publish] : [];
}
