import type { Container, KeptUntil } from "./engine.ts";

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

export interface KeptContainersDeps {
  readonly now: () => number;
  /** What an earlier life of this worker kept, oldest first; asked before the first of this one. */
  readonly earlier: (signal: AbortSignal) => Promise<readonly KeptUntil[]>;
  readonly max?: number;
}

export function keptContainers({
  now,
  earlier,
  max = KEPT_MAX,
}: KeptContainersDeps): KeptContainers {
  let kept: KeptUntil[] | undefined;
  let anyUntil = now() + KEPT_MS;
  return {
    hasAny: () => now() < anyUntil,
    keep: async (container, signal) => {
      kept ??= [...(await earlier(signal))];
      const until = now() + KEPT_MS;
      await container.keepUntil(until, signal);
      anyUntil = until;
      kept.push({ until, remove: (limit) => container.remove(limit) });
      // What has expired is the reaper's; the oldest gives way to the newest.
      while (kept.length > max) {
        const oldest = kept.shift();
        if (oldest === undefined || oldest.until <= now()) continue;
        await oldest.remove(AbortSignal.timeout(REMOVE_TIMEOUT_MS));
      }
      return until;
    },
  };
}
