import { classOf } from "./calls.ts";
import type { Seen } from "./calls.ts";

/** A place in the program that asks the disk to take something. */
export interface Site {
  readonly target: string;
  readonly call: string;
  /** Path with what differs from life to life taken out. */
  readonly place: string;
  /** Where in its thread's calls it comes first. */
  readonly nth: number;
}

export function keyOf({ target, call, place }: Omit<Site, "nth">): string {
  return `${target} ${call} ${place}`;
}

/** The distinct sites of one life, in the order in which they were first met. */
export function sitesOf(target: string, seen: readonly Seen[]): readonly Site[] {
  const sites = new Map<string, Site>();
  for (const { call, nth, path, isOurs } of seen) {
    if (!isOurs) continue;
    const site = { target, call, place: classOf(path), nth };
    const known = sites.get(keyOf(site));
    if (known === undefined) sites.set(keyOf(site), site);
  }
  return [...sites.values()];
}
