import type { Seen } from "./calls.ts";
import { patternOf, placeOf } from "./places.ts";

/** A place in the program that asks the disk to take something. */
export interface Site {
  readonly target: string;
  readonly call: string;
  /** Path with what differs from life to life taken out. */
  readonly place: string;
  /** Paths of this place in any life, below the data folder. */
  readonly pattern: string;
}

export function keyOf({ target, call, place }: Omit<Site, "pattern">): string {
  return `${target} ${call} ${place}`;
}

/** The distinct sites of one life, in the order in which they were first met. */
export function sitesOf(target: string, seen: readonly Seen[]): readonly Site[] {
  const sites = new Map<string, Site>();
  for (const { call, path } of seen) {
    const site = { target, call, place: placeOf(path), pattern: patternOf(path) };
    if (!sites.has(keyOf(site))) sites.set(keyOf(site), site);
  }
  return [...sites.values()];
}
