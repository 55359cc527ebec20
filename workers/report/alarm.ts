/** Rings once, at the earliest of the instants that it was set for. */
export interface Alarm {
  ringIn(ms: number): void;
  silence(): void;
}

/** So that we ask after the instant, not at it: the server's clock decides. */
const MARGIN_MS = 50;

export function createAlarm(now: () => number, onRing: () => void): Alarm {
  let set: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined;

  const silence = (): void => {
    clearTimeout(set?.timer);
    set = undefined;
  };
  return {
    ringIn: (ms) => {
      const at = now() + ms;
      if (set !== undefined && set.at <= at) return;
      silence();
      const timer = setTimeout(() => {
        set = undefined;
        onRing();
      }, ms + MARGIN_MS);
      set = { at, timer };
    },
    silence,
  };
}
