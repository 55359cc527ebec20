import { randomOf } from "../random.ts";
import { keyOf } from "./sites.ts";
import type { Site } from "./sites.ts";

export const ERRORS = ["ENOSPC", "EIO"] as const;
export type DiskError = (typeof ERRORS)[number];

/** A fault that is to be dealt. */
export interface Wanted {
  readonly key: string;
  readonly site: Site;
  readonly error: DiskError;
  /** How often it was tried to hit it. */
  aims: number;
}

export function keyOfFault(error: string, site: Omit<Site, "pattern">): string {
  return `${error} ${keyOf(site)}`;
}

/** Each site with each error, in an order that the seed draws. */
export function wantedOf(sites: readonly Site[], seed: number): readonly Wanted[] {
  const random = randomOf(seed, "order of disk faults");
  return sites
    .flatMap((site) => ERRORS.map((error) => ({ site, error })))
    .map((one) => ({ ...one, at: random.next() }))
    .sort((one, other) => one.at - other.at)
    .map(({ site, error }) => ({ key: keyOfFault(error, site), site, error, aims: 0 }));
}

/**
 * What fails before there is a package keeps its push from the publish worker, so it comes alone. A push
 * that is refused is pushed again, and hides nothing.
 */
export function isLonely({ site }: Wanted): boolean {
  return site.target.startsWith("build-") || site.target === "git-fetch";
}

/** Faults that one target gets during one push. */
export interface Volley {
  readonly target: string;
  readonly wanted: readonly Wanted[];
}

/** The server is asked again and a publish is granted again, many times; a job three times in all. */
const VOLLEY_MAX: Readonly<Record<string, number>> = {
  "server-pool": 4,
  "publish-pool": 5,
  "build-pool": 2,
  "git-receive": 3,
};

/**
 * The least aimed at first, so that one that hides does not hold up the others; what was not met beside
 * others is dealt alone.
 */
export function nextShot(open: readonly Wanted[]): readonly Volley[] {
  const sorted = open.toSorted((one, other) => one.aims - other.aims);
  const [first] = sorted;
  if (first === undefined) return [];
  const { target } = first.site;
  if (first.aims > 1) return [{ target, wanted: [first] }];
  const targets = new Map<string, string>();
  for (const { site } of sorted.filter((one) => isLonely(one) === isLonely(first))) {
    // One target per process, so that it is told apart what became of which.
    const process = isLonely(first) ? "lonely" : processOf(site.target);
    if (!targets.has(process)) targets.set(process, site.target);
  }
  return [...targets.values()].map((target) => ({ target, wanted: volleyAt(target, sorted) }));
}

/** `publish` of `publish-pool`. */
export function processOf(target: string): string {
  return target.split("-")[0] ?? "";
}

function volleyAt(target: string, sorted: readonly Wanted[]): readonly Wanted[] {
  const [first, ...others] = sorted.filter(({ site }) => site.target === target);
  if (first === undefined) return [];
  if (first.aims > 0) return [first];
  // One that was missed before comes alone, so that what hid it then does not do so again.
  return [first, ...others.filter(({ aims }) => aims === 0)].slice(0, VOLLEY_MAX[target] ?? 1);
}
