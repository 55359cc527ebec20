import type { Container } from "./engine.ts";

const KEPT_MAX = 4;
const KEPT_MS = 30 * 60_000;
const REMOVE_TIMEOUT_MS = 60_000;

type KeptOne = Pick<Container, "keepUntil" | "remove">;

/** Containers of failed steps that `tatara shell` may enter: a few per worker, for half an hour. */
export interface KeptContainers {
  /** Until when it is kept; null: it is not. */
  keep(container: KeptOne, signal: AbortSignal): Promise<number | null>;
  /** One may be there that has not expired; an earlier life of this worker may have kept it. */
  hasAny(): boolean;
}

export function keptContainers(now: () => number, max: number = KEPT_MAX): KeptContainers {
  const kept: { readonly container: KeptOne; readonly until: number }[] = [];
  let anyUntil = now() + KEPT_MS;
  return {
    hasAny: () => now() < anyUntil,
    keep: async (container, signal) => {
      const until = now() + KEPT_MS;
      await container.keepUntil(until, signal);
      anyUntil = until;
      kept.push({ container, until });
      // What has expired is the reaper's; the oldest gives way to the newest.
      while (kept.length > max) {
        const oldest = kept.shift();
        if (oldest === undefined || oldest.until <= now()) continue;
        await oldest.container.remove(AbortSignal.timeout(REMOVE_TIMEOUT_MS));
      }
      return until;
    },
  };
}
