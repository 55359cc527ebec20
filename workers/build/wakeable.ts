import { setTimeout as delay } from "node:timers/promises";

/** A pause that somebody else may end early. */
export interface Wakeable {
  /** Never throws: an aborted signal ends it too. Whoever was woken before it began does not wait. */
  pause(ms: number, signal: AbortSignal): Promise<"over" | "woken">;
  wake(): void;
}

export function wakeable(): Wakeable {
  let woken = Promise.withResolvers<void>();
  return {
    wake: () => woken.resolve(),
    pause: async (ms, signal) => {
      const over = new AbortController();
      const time = delay(ms, "over" as const, { signal: AbortSignal.any([signal, over.signal]) });
      const how = await Promise.race([
        time.catch(() => "over" as const),
        woken.promise.then(() => "woken" as const),
      ]);
      over.abort();
      if (how === "woken") woken = Promise.withResolvers<void>();
      return how;
    },
  };
}
